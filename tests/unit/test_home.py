# SPDX-License-Identifier: Apache-2.0
"""Where the operator is installed is the user's choice, as far as Helm and Kubernetes take it."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.releases.home import Home, home


def test_a_choice_is_completed_by_the_defaults() -> None:
    assert home(None, None) == Home(name="spark-operator", namespace="spark-operator")
    assert home("data-spark", None) == Home(name="data-spark", namespace="spark-operator")
    assert home(None, "default", ["spark-pi"]).namespace == "default"


@pytest.mark.parametrize("name", ["Spark", "spark_op", "a" * 54, "", "-a", "a."])
def test_what_helm_would_refuse_is_told_before(name: str) -> None:
    with pytest.raises(UsageError, match="--release-name"):
        home(name, None)


@pytest.mark.parametrize("namespace", ["Data", "a.b", "a" * 64, "", "kube-system", "operator-checks", "spark-pi"])
def test_a_namespace_that_cannot_be_or_is_taken(namespace: str) -> None:
    with pytest.raises(UsageError, match="--namespace"):
        home(None, namespace, ["spark-pi"])
