# SPDX-License-Identifier: Apache-2.0
"""What of a user's values a run takes otherwise, and what of its own it leaves out beside them."""

from __future__ import annotations

from typing import Any

import pytest

from harness.releases.for_a_run import adapted, kept


@pytest.mark.parametrize(
    ("scheduler", "left_out"),
    [
        ({"enable": True, "default": "volcano"}, True),
        ({"enable": True, "default": "bin-packing", "kubeSchedulerNames": ["bin-packing"]}, True),
        ({"enable": True, "default": "vulcano"}, False),
        ({"enable": True, "default": "default-scheduler", "kubeSchedulerNames": ["default-scheduler"]}, False),
        ({"enable": False, "default": "volcano"}, False),
    ],
)
def test_a_scheduler_for_all_applications_is_left_out_where_the_operator_knows_it(
    scheduler: dict[str, Any], left_out: bool
) -> None:
    """With one that it does not know the operator ends at its start: that is told as a mistake, and not hidden."""
    given = {"controller": {"batchScheduler": scheduler}}
    (values,), told = adapted([given])
    assert bool(told) is left_out
    assert (values == given) is not left_out


def test_a_run_has_no_low_limits_of_processors_and_says_so() -> None:
    """Upstream's own example of a limit is 100m (values.yaml of the chart)."""
    given = {"controller": {"resources": {"limits": {"cpu": "100m", "memory": "300Mi"}}}, "webhook": {"replicas": 2}}
    (first, last), told = adapted(
        [given, {"webhook": {"resources": {"limits": {"cpu": "50m"}, "requests": {"cpu": 0}}}}]
    )
    assert first == given
    assert last["controller"]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}}
    assert last["webhook"]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": 0}}
    assert [it.partition(":")[0] for it in told] == [
        f"{part}.resources.limits.cpu" for part in ("controller", "webhook")
    ]


@pytest.mark.parametrize("limit", ["500m", 1, "2", None, "0", "much"])
def test_a_limit_that_is_enough_or_none_stays(limit: Any) -> None:
    given = {
        "controller": {"resources": {"limits": {"cpu": limit}}},
        "webhook": {"resources": {"limits": {"cpu": "100m"}}},
    }
    assert adapted([given]) == ((given,), ())


@pytest.mark.parametrize("seconds", [1, "2", 4])
def test_a_short_timeout_of_the_webhook_is_longer_in_a_run(seconds: Any) -> None:
    (values,), (told,) = adapted([{"webhook": {"timeoutSeconds": seconds}}])
    assert values == {"webhook": {"timeoutSeconds": 10}}
    assert told.startswith(f"webhook.timeoutSeconds: the run has 10 in the place of {seconds},")


@pytest.mark.parametrize("seconds", [0, 5, 30, "10", -1, None, "soon"])
def test_other_timeouts_of_the_webhook_stay(seconds: Any) -> None:
    given = {"webhook": {"timeoutSeconds": seconds}}
    assert adapted([given]) == ((given,), ())


def test_exact_values_stay_and_what_is_tight_about_them_is_told() -> None:
    limits = {"resources": {"limits": {"cpu": "100m"}}}
    told = kept([{"controller": limits, "webhook": {"timeoutSeconds": 1}}])
    assert [it.partition(" is ")[0] for it in told] == ["controller.resources.limits.cpu", "webhook.timeoutSeconds"]
    assert all(it.endswith("leave out --exact-values to have more") for it in told)
    assert kept([{"controller": {"resources": {"limits": {"cpu": "500m"}}}, "webhook": limits}]) == ()
