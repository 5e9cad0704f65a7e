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
RATIO = "is forbidden: memory max limit to request ratio per Container is 1, but provided ratio is 2.0"
KYVERNO_NAMES = (
    'admission webhook "validate.kyverno.svc-fail" denied the request: \n\n'
    "resource Pod/pi/pi-driver was blocked due to the following policies \n\n"
    "disallow-host-path:\n  host-path: 'validation error: HostPath volumes are forbidden.'"
)
POD_SECURITY = (
    'pods "pi-driver" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false '
    '(container "spark-kubernetes-driver" must set securityContext.allowPrivilegeEscalation=false), unrestricted '
    'capabilities (container "spark-kubernetes-driver" must set securityContext.capabilities.drop=["ALL"])'
)
CONSTRAINT = (
    'pods "pi-driver" is forbidden: unable to validate against any security context constraint: '
    '[provider "anyuid": Forbidden: not usable by user or serviceaccount, provider restricted-v2: '
    ".containers[0].runAsUser: Invalid value: 185: must be in the ranges: [1000680000, 1000689999]]"
)
OWN = "validate-sparkoperator-k8s-io-v1beta2-sparkapplication.sparkoperator.k8s.io"
OWN_DENIES = f'admission webhook "{OWN}" denied the request: no'
OWN_AWAY = f'failed calling webhook "{OWN}": EOF'


@pytest.mark.parametrize(
    ("said", "who"),
    [
        (KYVERNO, "the webhook validate.kyverno.svc-fail"),
        (GATEKEEPER, "the webhook validation.gatekeeper.sh (policy repos)"),
        (KYVERNO_NAMES, "the webhook validate.kyverno.svc-fail (policy disallow-host-path)"),
        (json.dumps({"message": KYVERNO_NAMES}), "the webhook validate.kyverno.svc-fail (policy disallow-host-path)"),
        (POD_SECURITY, "the Pod Security Standard restricted:latest"),
        (json.dumps({"error": POD_SECURITY}), "the Pod Security Standard restricted:latest"),
        (POD_SECURITY.replace("violates", "would violate"), ""),
        (CONSTRAINT, "the SecurityContextConstraints restricted-v2"),
        ("unable to validate against any security context constraint: []", "the SecurityContextConstraints"),
        ('pods "x" is forbidden: failed quota: team: must specify limits.cpu for: spark', "the ResourceQuota team"),
        (json.dumps({"message": AWAY}), "the webhook mutate.kyverno.svc-fail"),
        (POLICY, "the ValidatingAdmissionPolicy images"),
        (QUOTA, "the ResourceQuota team"),
        (RATIO, "a LimitRange with memory max limit to request ratio per Container"),
        (RANGE, "a LimitRange with maximum memory usage per Container"),
        (OWN_DENIES, ""),
        (json.dumps({"message": OWN_AWAY}), ""),
        (f"{OWN_AWAY}; {KYVERNO}", ""),
        # What follows is of other versions, and of what looks alike.
        ("ValidatingAdmissionPolicy 'images' denied request: no such key: x", "the ValidatingAdmissionPolicy images"),
        ("Validation failed for ValidatingAdmissionPolicy 'images' with binding 'all': failed expression: x", ""),
        ("policy 'sidecars' with binding 'all' denied request: no such key: x", "the MutatingAdmissionPolicy sidecars"),
        ('policy "sidecars" denied request: failed to configure policy', "the MutatingAdmissionPolicy sidecars"),
        (
            json.dumps({"message": 'policy "sidecars" denied request: failed to configure policy'}),
            "the MutatingAdmissionPolicy sidecars",
        ),
        (
            'admission webhook "vpol.validate.kyverno.svc-fail" denied the request: Policy tags failed: no tag',
            "the webhook vpol.validate.kyverno.svc-fail (policy tags)",
        ),
        (GATEKEEPER.replace("[repos]", "[denied by repos]"), "the webhook validation.gatekeeper.sh (policy repos)"),
        ('pods "x" is forbidden: status unknown for quota: team, resources: pods', "the ResourceQuota team"),
        (
            'pods "x" is forbidden: insufficient quota to match these scopes: [{PriorityClass In []}]',
            "the ResourceQuota",
        ),
        (
            "is forbidden: [maximum cpu usage per Container is 2, but limit is 4, maximum memory usage per Pod is 1Gi]",
            "a LimitRange with maximum cpu usage per Container",
        ),
        (
            'persistentvolumeclaims "x" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi',
            "a LimitRange with maximum storage usage per PersistentVolumeClaim",
        ),
        ("the user jo has exceeded quota: daily-uploads", ""),
        ("the maximum number usage per Pod is 3", ""),
        ('pods is forbidden: User "system:serviceaccount:it:spark" cannot create resource "pods" in API group ""', ""),
        ('SparkApplication "pi" is invalid: spec.driver.cores: Invalid value: 0', ""),
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
    "said", [KYVERNO_NAMES, GATEKEEPER, POLICY, QUOTA, RANGE, CONSTRAINT, POD_SECURITY], ids=lambda it: it[-20:]
)
def test_who_refused_is_named_with_the_next_step(said: str) -> None:
    (found,) = others.judged([failed("states", "expected COMPLETED, saw FAILED\n  next: wait longer", error=said)])
    first, _, step = found.message.partition("\n  next: ")
    assert found.verdict is Verdict.ERROR
    assert "of this cluster stood in the way" in first
    assert "expected COMPLETED, saw FAILED" in first
    assert "kubectl get" in step or "oc adm" in step or "excepted" in step
    assert "wait longer" not in found.message


def test_pods_that_do_not_keep_to_what_the_environment_promises_are_the_releases_fault() -> None:
    own, another = failed("installed", POD_SECURITY), failed("states", GATEKEEPER)
    kept, judged = others.judged([own, another], promised=True)
    assert kept == own
    assert judged.verdict is Verdict.ERROR


def test_a_log_tells_of_pods_that_others_refused() -> None:
    line = (
        f"26/12/01 10:00:00 WARN ExecutorPodsSnapshotsStoreImpl: Message: {POD_SECURITY.replace('driver', 'exec-1')}."
    )
    log = f"26/12/01 INFO starts\n{line}\n{line}\nsecrets is forbidden: User x cannot list\nends"
    assert others.in_log(log) == [line]
    assert others.in_log("access denied\nforbidden fruit") == []


def test_a_webhook_that_cannot_be_asked_has_another_next_step_than_one_that_denies() -> None:
    away, denies = others.judged([failed("states", AWAY), failed("states", GATEKEEPER)])
    assert "its pods are up" in away.message
    assert "what it wants of pods" in denies.message


def test_a_log_tells_of_webhooks_that_could_not_be_asked_and_of_policies_in_further_lines() -> None:
    assert others.in_log(f"starts\n{AWAY}\nends") == [AWAY]
    (found,) = others.in_log(f"Message: {KYVERNO_NAMES}\n. Received status\nends")
    assert others.word(found) == "the webhook validate.kyverno.svc-fail (policy disallow-host-path)"


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
