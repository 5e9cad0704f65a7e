# SPDX-License-Identifier: Apache-2.0
"""Helm's errors, told as what happened and what to do. Helm itself is run in tests/integration/test_helm.py."""

from __future__ import annotations

import pytest
from program_outputs import OUTPUTS, Output

from harness.errors import ClusterError, ReleaseError
from harness.releases.helm import HelmError, NoSuchRelease, explained


@pytest.mark.parametrize(
    ("stderr", "kind", "next_step"),
    [
        ("Error: release: not found", NoSuchRelease, "helm list"),
        ("Error: Kubernetes cluster unreachable: Get https://127.0.0.1", ClusterError, "node's logs"),
        ("Error: etcdserver: request timed out", ClusterError, "node's logs"),
        ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", HelmError, "roll back"),
        ("Error: template: x.yaml:1: nil pointer evaluating interface {}.a", HelmError, "values.yaml"),
        ('Error: namespaces "none" not found', HelmError, "create the namespace"),
        ("Error: something new", HelmError, "--debug"),
    ],
)
def test_errors_say_what_to_do_next(stderr: str, kind: type[Exception], next_step: str) -> None:
    error = explained(["upgrade", "spark-operator", "/charts/x"], f"WARNING: group-readable\n{stderr}\n")
    assert type(error) is kind
    assert isinstance(error, ReleaseError | ClusterError)
    assert next_step in error.next_step
    assert error.message.startswith("helm upgrade spark-operator")
    assert "WARNING" not in error.message


@pytest.mark.parametrize("printed", [it for it in OUTPUTS if it.name.startswith("helm-")], ids=lambda it: it.name)
def test_the_cause_follows_the_command_and_the_whole_is_kept(printed: Output) -> None:
    error = explained(["upgrade", "spark-operator"], printed.text)
    assert error.message.startswith(f"helm upgrade spark-operator failed: {printed.cause}")
    assert isinstance(error, HelmError)
    assert error.stderr == printed.text


def test_what_to_do_is_found_in_the_middle_of_a_long_message() -> None:
    long = f"Error: {'x' * 300} nil pointer evaluating interface {{}}.enable {'y' * 600}\n"
    assert "values.yaml" in explained(["upgrade"], long).next_step
