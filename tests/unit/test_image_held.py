# SPDX-License-Identifier: Apache-2.0
"""What becomes of a private image that a node has, by the version of its kubelet; no cluster has both answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.errors import CatalogueError, WaitTimeout
from harness.stories.registries import catalogue, kubelet
from harness.stories.registries.context import PullContext
from harness.stories.registries.kubelet import Stuck
from harness.stories.registries.scenarios import image_held
from harness.verdicts import Verdict

_IMAGE = "ghcr.io/kubeflow/spark:4.0.4-pulled"
_REFUSED = (
    f'Failed to pull image "{_IMAGE}": failed to pull and unpack image "{_IMAGE}": failed to resolve image: '
    "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://h/token: 401 "
    "Unauthorized"
)


def context(*paths: str) -> PullContext:
    """A context whose registry has answered these requests."""
    requests = [SimpleNamespace(path=path) for path in paths]
    ghcr = SimpleNamespace(requests=lambda: requests)
    return cast(PullContext, SimpleNamespace(registries=SimpleNamespace(ghcr=ghcr), namespace="n"))


def judged(ctx: PullContext, how: str, version: str, asked: int = 0) -> dict[str, Verdict]:
    row = catalogue.load().held_by(how, version)
    return {it.check: it.verdict for it in image_held._judged(ctx, row, version, asked)}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def await_stuck(*_: Any, **__: Any) -> Stuck:
        raise WaitTimeout("the pod without a secret did not wait for its image", "")

    monkeypatch.setattr(kubelet, "await_running", lambda *_, **__: SimpleNamespace(name="without-secret"))
    monkeypatch.setattr(kubelet, "await_stuck", await_stuck)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck(pod="without-secret", uid="1", image=_IMAGE, reasons=kubelet.REASONS, message=_REFUSED, after=2)
    monkeypatch.setattr(kubelet, "await_stuck", lambda *_, **__: stuck)


@pytest.mark.parametrize(
    ("how", "version", "outcome"),
    [
        ("pulled", "1.24.17", "held"),
        ("pulled", "1.34.11", "held"),
        ("pulled", "1.35.0", "stuck"),
        ("pulled", "1.37.2", "stuck"),
        ("preloaded", "1.34.4", "held"),
        ("preloaded", "1.37.2", "held"),
    ],
)
def test_each_minor_has_its_answer(how: str, version: str, outcome: str) -> None:
    assert catalogue.load().held_by(how, version).outcome == outcome


def test_a_way_that_no_row_covers_is_told() -> None:
    rows = catalogue.load()
    without = rows.model_copy(update={"held": tuple(it for it in rows.held if it.how != "preloaded")})

    with pytest.raises(CatalogueError, match=r"0 rows say what becomes of a preloaded image with Kubernetes 1\.34"):
        without.held_by("preloaded", "1.34.4")


@pytest.mark.usefixtures("runs")
def test_up_to_1_34_the_image_is_everybodys() -> None:
    assert judged(context(), "pulled", "1.34.4") == {"pulled-held": Verdict.PASSED}


@pytest.mark.usefixtures("runs")
def test_an_image_that_the_registry_was_asked_for_was_not_simply_there() -> None:
    assert judged(context("/v2/kubeflow/spark/manifests/x"), "pulled", "1.34.4") == {"pulled-held": Verdict.FAILED}
    assert judged(context("/v2/kubeflow/spark/manifests/x"), "pulled", "1.34.4", asked=1) == {
        "pulled-held": Verdict.PASSED
    }


@pytest.mark.usefixtures("waits")
def test_from_1_35_on_the_pod_needs_a_secret_of_its_own() -> None:
    assert judged(context(), "pulled", "1.36.3") == {"pulled-seen": Verdict.PASSED, "pulled-diagnosed": Verdict.PASSED}


@pytest.mark.usefixtures("runs")
def test_a_pod_that_runs_where_it_should_be_refused_is_noticed() -> None:
    with pytest.raises(WaitTimeout, match="did not wait for its image"):
        judged(context(), "pulled", "1.37.2")
