# SPDX-License-Identifier: Apache-2.0
"""What Helm keeps of a release that another way has gone over."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fake_kube import fake_kube

from harness.errors import ApiError
from harness.upgrades import stock


def test_helms_records_are_those_of_the_release() -> None:
    with fake_kube() as kube:
        for name, owner in (("sh.helm.release.v1.op.v1", "helm"), ("op-webhook-certs", "operator")):
            labels = {"owner": owner, "name": "op"}
            kube.put("secrets", {"metadata": {"name": name, "namespace": "ns", "labels": labels}})
        cluster = cast(Any, SimpleNamespace(api_client=lambda: kube.api))
        assert stock.records_of_helm(cluster, "op", "ns") == ("Secret/ns/sh.helm.release.v1.op.v1",)


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (422, 'SparkApplication "etl" is invalid: spec.x: unknown field', True),
        (
            422,
            "sparkapplications \"etl\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request",
            False,
        ),
        (403, 'admission webhook "validate.kyverno.svc-fail" denied the request: no label', False),
    ],
)
def test_what_policies_of_a_cluster_refuse_is_no_fault_of_the_new_crds(status: int, said: str, told: bool) -> None:
    def create(*where: Any, **how: Any) -> None:
        raise ApiError("refused", status=status, body=json.dumps({"message": said}))

    custom = SimpleNamespace(create_namespaced_custom_object=create)
    assert stock._refusal(custom, "v1beta2", "sparkapplications", "etl", {}) == (said if told else "")


def test_in_a_cluster_of_a_users_the_stored_applications_of_others_are_not_tried() -> None:
    with fake_kube() as kube:
        for where in ("production", "running-apps"):
            kube.put("sparkapplications", {"metadata": {"name": "etl", "namespace": where}, "spec": {}})
        tried: dict[bool, set[str]] = {}
        for guest in (True, False):
            marks = {"spark-operator-harness.run": "r"} if guest else {}
            cluster = cast(Any, SimpleNamespace(api_client=lambda: kube.api, marks=marks))
            assert stock.unfit(cluster, ["running-apps"]) == {}
            made = {key for key in kube.stored["sparkapplications"] if not key.endswith("/etl")}
            tried[guest] = {key.partition("/")[0] for key in made}
            for key in made:
                del kube.stored["sparkapplications"][key]
        assert tried == {True: {"running-apps"}, False: {"production", "running-apps"}}
