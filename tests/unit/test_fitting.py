# SPDX-License-Identifier: Apache-2.0
"""What values ask for that no cluster of a run has, told with the value, the file and what to do.

Helm is a stand-in; tests/integration/test_helm.py renders the release's own chart with values of production.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from harness.kube.needs import Need
from harness.releases import fitting, foreign
from harness.releases.fitting import Fit, Given, Misfit, Room
from harness.releases.helm import HelmError
from harness.releases.values import at

LABELS = {"app.kubernetes.io/component": "webhook"}


class ChartOfOneDeployment:
    """Renders a Deployment whose pod is what the values say, or refuses."""

    def __init__(self, *made: Mapping[str, Any], refuses: str = "") -> None:
        self._made = made
        self._refuses = refuses

    def template(
        self,
        chart: object,
        name: str,
        namespace: str,
        values: Mapping[str, Any],
        *,
        api_versions: Sequence[str] = (),
        kubernetes: str = "",
    ) -> list[dict[str, Any]]:
        if self._refuses and values.get("webhook") and not api_versions:
            raise HelmError(self._refuses)
        pod = {"containers": [{"args": at(values, "webhook.args") or ["webhook", "start"]}]}
        pod |= at(values, "webhook.pod") or {}
        spec = {"replicas": at(values, "webhook.replicas"), "template": {"spec": pod}}
        metadata = {"name": name, "labels": LABELS}
        return [{"kind": "Deployment", "metadata": metadata, "spec": spec}, *map(dict, self._made)]


def look(helm: ChartOfOneDeployment, *users: Mapping[str, Any], **more: Any) -> Fit | Misfit:
    files = [f"{number}.yaml" for number in range(len(users))]
    given = Given(name="it", namespace="it", own=[{}], users=users, job_namespaces=["a"], files=files, **more)
    return fitting.fit(cast(Any, helm), cast(Any, None), given)


def misfit(helm: ChartOfOneDeployment, *users: Mapping[str, Any], **more: Any) -> Misfit | None:
    found = look(helm, *users, **more)
    return found if isinstance(found, Misfit) else None


@pytest.mark.parametrize(
    ("webhook", "said"),
    [
        ({"pod": {"nodeSelector": {"kubernetes.io/os": "windows"}}}, "webhook.nodeSelector asks for nodes with"),
        ({"pod": {"nodeSelector": {"kubernetes.io/os": "linux"}}}, ""),
        ({"pod": {"tolerations": [{"operator": "Exists"}]}}, ""),
        ({"pod": {"priorityClassName": "system-node-critical"}}, ""),
        ({"pod": {"volumes": [{"secret": {"secretName": "s"}}]}}, "asks for the Secret s, which nobody makes"),
        ({"pod": {"volumes": [{"configMap": {"name": "made"}}]}}, ""),
        ({"pod": {"volumes": [{"csi": {"driver": "secrets-store.csi.k8s.io"}}]}}, "the CSI driver secrets-store.csi"),
        ({"pod": {"volumes": [{"nfs": {"server": "nas"}}]}}, "asks for a volume of the kind nfs"),
        ({"pod": {"volumes": [{"hostPath": {"path": "/opt/krb5", "type": "File"}}]}}, "asks for /opt/krb5 of the node"),
        ({"pod": {"volumes": [{"hostPath": {"path": "/opt/made", "type": "DirectoryOrCreate"}}]}}, ""),
        ({"pod": {"volumes": [{"name": "tmp", "emptyDir": {}}, {"projected": {"sources": []}}]}}, ""),
        (
            {"pod": {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"}}}},
            "a.json",
        ),
        ({"pod": {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}}, ""),
        ({"pod": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}}}]}}, "asks for nvidia.com/gpu"),
        ({"pod": {"imagePullSecrets": [{"name": "login"}]}}, ""),
        ({"replicas": 0}, "webhook.replicas asks for no pod at all"),
        ({"replicas": 2}, ""),
        ({"args": ["webhook", "--default-batch-scheduler=yunikorn"]}, "asks for the scheduler yunikorn"),
    ],
)
def test_what_no_cluster_of_a_run_has_is_named(webhook: Mapping[str, Any], said: str) -> None:
    made = {"kind": "ConfigMap", "metadata": {"name": "made"}}
    found = misfit(ChartOfOneDeployment(made), {"webhook": webhook})
    assert said in (found.words if found else "")
    assert bool(found) == bool(said)


def test_the_file_that_says_it_last_is_named_with_the_line_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    windows = {"kubernetes.io/os": "windows"}
    pools = {"webhook": {"pod": {"nodeSelector": windows}, "nodeSelector": windows}}
    Path("0.yaml").write_text("webhook:\n  nodeSelector: {kubernetes.io/os: windows}\n")
    Path("1.yaml").write_text("webhook:\n  port: 1\n")
    found = misfit(ChartOfOneDeployment(), pools, {"webhook": {"port": 1}})
    assert found is not None
    assert found.words.endswith("webhook.nodeSelector asks for nodes with kubernetes.io/os=windows (0.yaml, line 2)")
    assert found.next_step.endswith("for the run alone: webhook.nodeSelector=null")


def test_a_volume_is_left_out_with_its_mount() -> None:
    volumes = [{"name": "krb5", "secret": {"secretName": "keytab"}}, {"name": "tmp", "emptyDir": {}}]
    found = misfit(ChartOfOneDeployment(), {"webhook": {"pod": {"volumes": volumes}, "volumes": volumes}})
    assert found is not None
    assert found.words.endswith("webhook.volumes asks for the Secret keytab, which nobody makes")
    assert found.next_step.endswith("for the run alone: webhook.volumes and volumeMounts without krb5")


def test_a_kind_that_the_chart_misses_is_a_value_to_switch_off() -> None:
    refuses = (
        "execution error at (certificate.yaml): The cluster does not support the required API version "
        "`cert-manager.io/v1` for `Certificate`."
    )
    found = misfit(ChartOfOneDeployment(refuses=refuses), {"webhook": {"port": 1}})
    assert found is not None
    assert "certManager.enable asks for the kind Certificate of cert-manager.io/v1" in found.words
    assert "certManager.enable=false" in found.next_step


def test_a_kind_that_a_run_brings_along_is_rendered_as_if_it_were_there() -> None:
    values = {"webhook": {"port": 1}, "prometheus": {"podMonitor": {"create": True}}}
    chart = ChartOfOneDeployment(refuses="the kind PodMonitor is missing")
    assert misfit(chart, values, kinds=foreign.api_versions(values)) is None


def test_what_does_not_render_is_told_in_helms_words() -> None:
    found = misfit(ChartOfOneDeployment(refuses="can't evaluate field x"), {"webhook": {"port": 1}})
    assert found == Misfit(words="can't evaluate field x", next_step="correct them, compare with `helm show values`")


POOL = {"webhook": {"pod": {"nodeSelector": {"pool": "system"}, "priorityClassName": "high"}}}


def test_what_a_run_can_make_is_made_and_told() -> None:
    assert look(ChartOfOneDeployment(), POOL) == Fit(
        nodes=({"pool": "system"},),
        priority_classes=("high",),
        told=(
            "the run's node has the labels that the values ask for: pool=system",
            "PriorityClass made for the values: high",
        ),
    )


def test_exact_values_get_nothing_that_they_ask_for() -> None:
    found = misfit(ChartOfOneDeployment(), POOL, exact=True)
    assert found is not None
    assert "webhook.nodeSelector asks for nodes with pool=system" in found.words
    assert "webhook.priorityClassName asks for the PriorityClass high" in found.words
    assert "leave out --exact-values" in found.next_step


def test_what_is_in_the_cluster_before_is_not_missing() -> None:
    pod = {"priorityClassName": "high", "volumes": [{"secret": {"secretName": "s"}}]}
    made = frozenset({Need(kind="PriorityClass", name="high"), Need(kind="Secret", name="s")})
    assert look(ChartOfOneDeployment(), {"webhook": {"pod": pod}}, made=made) == Fit()


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"requests": {"cpu": "2500m"}}, "2.5 processors in one pod, and this machine has 2"),
        ({"limits": {"memory": "16Gi"}}, "16384 MiB in one pod, and this machine has 4096"),
        ({"requests": {"cpu": 1}, "limits": {"cpu": 8}}, ""),
        ({"requests": {"cpu": "many"}}, "webhook.resources.requests.cpu is many, which is no quantity"),
    ],
)
def test_requests_that_are_more_than_the_machine(resources: Mapping[str, Any], said: str) -> None:
    pod = {"containers": [{"args": ["webhook"], "resources": resources}]}
    found = misfit(ChartOfOneDeployment(), {"webhook": {"pod": pod}}, room=Room(cpus=2, memory_mib=4096))
    assert said in (found.words if found else "")
    assert bool(found) == bool(said)


def test_what_the_api_server_refuses_is_told_before_a_cluster_is_made() -> None:
    found = misfit(ChartOfOneDeployment(), {"image": {"pullSecrets": ["regcred"]}})
    assert found is not None
    assert found.words == "image.pullSecrets has text (regcred), and Kubernetes takes maps with a name there"
