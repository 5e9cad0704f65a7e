# SPDX-License-Identifier: Apache-2.0
"""What the admission of others says proves nothing about the release; what the operator's own says, does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.kube import others
from harness.releases.webhook import Attempt
from harness.upgrades.prober import Outcome, judge
from harness.verdicts import Verdict, failed, passed

KYVERNO = 'admission webhook "validate.kyverno.svc-fail" denied the request: resource violates require-labels'
GATEKEEPER = 'admission webhook "validation.gatekeeper.sh" denied the request: [repos] container has an invalid repo'
AWAY = 'Internal error occurred: failed calling webhook "mutate.kyverno.svc-fail": context deadline exceeded'
POLICY = (
    "sparkapplications \"pi\" is forbidden: ValidatingAdmissionPolicy 'images' with binding 'all' denied request: no"
)
QUOTA = 'pods "pi-driver" is forbidden: exceeded quota: team, requested: requests.cpu=1, used: requests.cpu=8'
RANGE = "is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi"
OWN = "validate-sparkoperator-k8s-io-v1beta2-sparkapplication.sparkoperator.k8s.io"
OWN_DENIES = f'admission webhook "{OWN}" denied the request: no'
OWN_AWAY = f'failed calling webhook "{OWN}": EOF'


@pytest.mark.parametrize(
    ("said", "who"),
    [
        (KYVERNO, "the webhook validate.kyverno.svc-fail"),
        (GATEKEEPER, "the webhook validation.gatekeeper.sh"),
        (json.dumps({"message": AWAY}), "the webhook mutate.kyverno.svc-fail"),
        (POLICY, "the ValidatingAdmissionPolicy images"),
        (QUOTA, "the ResourceQuota team"),
        (RANGE, "a LimitRange with maximum memory usage per Container"),
        (OWN_DENIES, ""),
        (json.dumps({"message": OWN_AWAY}), ""),
        (f"{OWN_AWAY}; {KYVERNO}", ""),
        ('admission webhook "mutate" denied the request: no such volume', ""),
        ("the driver exited with 1", ""),
    ],
)
def test_whose_word_it_is(said: str, who: str) -> None:
    assert others.word(said) == who


def test_what_others_refused_is_an_error_and_all_else_stays() -> None:
    own = failed("accepted", OWN_DENIES)
    fine = passed("states", "COMPLETED", note=KYVERNO)
    by_message, by_evidence, *rest = others.judged(
        [failed("accepted", KYVERNO), failed("states", "saw FAILED", error=QUOTA), own, fine]
    )
    assert rest == [own, fine]
    assert (by_message.verdict, by_evidence.verdict) == (Verdict.ERROR, Verdict.ERROR)
    assert by_message.message.startswith("the webhook validate.kyverno.svc-fail of this cluster stood in the way")
    assert by_evidence.evidence == {"error": QUOTA}


@pytest.mark.parametrize(
    ("status", "said", "outcome"),
    [
        (500, AWAY, Outcome.SERVER_AWAY),
        (403, KYVERNO, Outcome.SERVER_AWAY),
        (500, OWN_AWAY, Outcome.WEBHOOK_AWAY),
        (403, OWN_DENIES, Outcome.REJECTED),
    ],
)
def test_an_outage_is_that_of_the_operators_webhook_alone(status: int, said: str, outcome: Outcome) -> None:
    no_result: dict[str, Any] = {}
    assert judge(Attempt(status=status, message=said, result=no_result))[0] is outcome
