# SPDX-License-Identifier: Apache-2.0
"""Copies of releases that earlier runs made are not there for a run that does not ask for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_fakes import attempt, host, request

from harness.matrix import catalogue, expand
from harness.run.resources import Resources

CATALOGUE = catalogue.load()
COPY = "docker.io/kubeflow/spark-operator:2.5.2"


@pytest.mark.parametrize(
    ("path", "values", "hidden"),
    [
        ("upgrade-2.2.1@docker.io-2.5.2+crds=apply+values=pinned-registry", {}, True),
        ("install-2.5.2", {}, True),
        ("install-2.5.2@docker.io", {}, False),
        ("install-2.5.2", {"image": {"registry": "docker.io", "repository": "kubeflow/spark-operator"}}, False),
    ],
)
def test_what_nothing_in_the_run_asks_for_is_hidden(
    tmp_path: Path, path: str, values: dict[str, Any], hidden: bool
) -> None:
    cell = attempt("spark-pi").cell.model_copy(update={"path": expand.find_path(CATALOGUE, path)})
    asked = replace(request(tmp_path), cells=(cell,), values=(values,))
    unasked = {str(it) for it in Resources("20260101-000000-0000", asked, host(), print)._unasked_copies()}
    assert (COPY in unasked) is hidden
    assert "docker.io/kubeflow/spark-operator:2.2.1" in unasked or "2.2.1@docker.io" in path
    assert not {it.image for it in CATALOGUE.releases} & unasked, "what upstream published stays"
