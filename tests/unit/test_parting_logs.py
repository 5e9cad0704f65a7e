# SPDX-License-Identifier: Apache-2.0
"""What the operator's pods wrote before a move replaced them is kept, since nobody can ask for it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fake_api_server import Answer, api_server

from harness.kube.models import Container, Pod
from harness.upgrades.parting_logs import PartingLogs

WORDS = "2026-01-01T12:00:00Z ERROR failed to update the status\n"
REFUSED = '{"message": "pods \\"old\\" not found"}'
CONTROLLER = Container(name="controller", image="it:1", state="running")


def kept(tmp_path: Path, answer: Answer, containers: Sequence[Container] = (CONTROLLER,)) -> dict[str, str]:
    """The files by their names after a pod was followed, twice, as each change of it asks for."""
    pod = Pod(name="old", uid="1", namespace="spark-operator", leaving=True, containers=tuple(containers))
    with api_server(tmp_path, {}, {"log": answer}) as cluster:
        logs = PartingLogs(cluster, tmp_path / "kept")
        logs.follow(pod)
        logs.follow(pod)
        logs.close(seconds=60)
    return {it.name: it.read_text() for it in (tmp_path / "kept").glob("spark-operator/*")}


def test_a_log_is_kept_once_to_its_end(tmp_path: Path) -> None:
    assert kept(tmp_path, (200, WORDS)) == {"old_controller.log": WORDS}


def test_containers_that_never_ran_and_init_containers_have_none(tmp_path: Path) -> None:
    waiting = Container(name="waiting", image="it:1", state="waiting")
    init = Container(name="init", image="it:1", state="terminated", init=True)
    assert kept(tmp_path, (200, WORDS), [waiting, init]) == {}


def test_a_log_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    (text,) = kept(tmp_path, (404, REFUSED)).values()
    assert "the log ends here: the API server answered 404 Not Found" in text
    assert 'pods "old" not found' in text


def test_a_log_that_breaks_off_keeps_what_came(tmp_path: Path) -> None:
    (text,) = kept(tmp_path, (200, WORDS, 100)).values()
    assert text.startswith(WORDS)
    assert "the log ends here" in text


def test_a_log_without_end_is_cut(tmp_path: Path) -> None:
    (text,) = kept(tmp_path, (200, WORDS * 100_000)).values()
    assert len(text) < 4 * 2**20 + 100
    assert text.endswith("(the rest is left out)\n")
