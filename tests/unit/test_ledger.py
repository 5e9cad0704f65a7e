# SPDX-License-Identifier: Apache-2.0
"""The ledger: written before creation, survives a kill, tells dead runs from live ones."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_holder import ledger_holder

from harness.errors import HostError
from harness.evidence.ledger import Ledger, claimed, cluster_name, live_runs, new_run_id, not_ledgers, stale_ledgers
from harness.evidence.ledger_entries import Entry, identity_of, read
from harness.process import RUN_VARIABLE
from harness.process_identity import identity
from harness.untrusted import RUN_ID

RUN = "20260102-030405-ab12"


def test_run_ids_have_the_promised_form_and_name_clusters() -> None:
    run_id = new_run_id()
    assert RUN_ID.fullmatch(run_id)
    assert cluster_name(RUN, 2) == "soh-030405-ab12-2"


def test_what_is_planned_is_on_disk_at_once_and_open_until_gone(tmp_path: Path) -> None:
    with Ledger.open(RUN, tmp_path) as ledger:
        ledger.planned("cluster", "soh-a-1")
        ledger.planned("network", "soh-net")
        owner, entries = read(tmp_path / f"{RUN}.jsonl")
        assert (owner.run_id, owner.pid) == (RUN, os.getpid())
        assert entries == [Entry(kind="cluster", name="soh-a-1"), Entry(kind="network", name="soh-net")]
        ledger.gone("cluster", "soh-a-1")
        assert ledger.open_entries() == [Entry(kind="network", name="soh-net")]


def test_facts_learnt_later_are_added(tmp_path: Path) -> None:
    with Ledger.open(RUN, tmp_path) as ledger:
        ledger.planned("process", "port-forward", argv="kubectl port-forward")
        ledger.running("port-forward", os.getpid())
        (entry,) = ledger.open_entries()
        assert entry.facts["argv"] == "kubectl port-forward"
        assert identity_of(entry.facts) == identity(os.getpid())


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with Ledger.open(RUN, tmp_path) as ledger, pytest.raises(ValueError, match="unknown kind of ledger entry 'pod'"):
        ledger.planned("pod", "x")  # type: ignore[arg-type]


def test_a_finished_run_with_nothing_left_removes_its_ledger(tmp_path: Path) -> None:
    ledger = Ledger.open(RUN, tmp_path)
    with ledger.creating("folder", "/tmp/soh-x"):  # noqa: S108 - a name only
        pass
    assert ledger.close() is True
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_left_something_keeps_its_ledger_which_is_stale(tmp_path: Path) -> None:
    ledger = Ledger.open(RUN, tmp_path)
    with pytest.raises(RuntimeError), ledger.creating("folder", "/tmp/soh-x"):  # noqa: S108 - a name only
        raise RuntimeError
    assert ledger.close() is False
    # The process that opened it (this one) is alive, but has let go of it.
    assert [stale.owner.run_id for stale in stale_ledgers(tmp_path)] == [RUN]
    assert live_runs(tmp_path) == []


def test_children_carry_the_name_of_the_run(tmp_path: Path) -> None:
    with Ledger.open(RUN, tmp_path):
        assert os.environ[RUN_VARIABLE] == RUN
    assert RUN_VARIABLE not in os.environ


def test_the_same_run_cannot_be_opened_twice_but_joined(tmp_path: Path) -> None:
    with Ledger.open(RUN, tmp_path) as first:
        with pytest.raises(HostError, match="already exists"):
            Ledger.open(RUN, tmp_path)
        with Ledger.join(RUN, tmp_path) as second:
            second.planned("network", "soh-net")
        assert first.path.exists()
        assert [entry.name for entry in first.open_entries()] == ["soh-net"]
        first.gone("network", "soh-net")


def test_joining_a_run_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be opened"):
        Ledger.join(RUN, tmp_path)


def test_a_live_run_is_live_and_a_killed_one_is_stale(tmp_path: Path) -> None:
    with ledger_holder(RUN, tmp_path, "container", "soh-left") as child:
        assert [(owner.run_id, owner.pid) for owner in live_runs(tmp_path)] == [(RUN, child.pid)]
        assert stale_ledgers(tmp_path) == []
        child.send_signal(signal.SIGKILL)
        child.wait()
        (stale,) = stale_ledgers(tmp_path)
        assert [entry.name for entry in stale.entries] == ["soh-left"]
        assert live_runs(tmp_path) == []


def test_only_one_process_clears_away_a_dead_run(tmp_path: Path) -> None:
    with ledger_holder(RUN, tmp_path, "container", "soh-left"):
        pass
    (stale,) = stale_ledgers(tmp_path)
    with claimed(stale) as mine:
        assert mine is not None
        with claimed(stale) as other:
            assert other is None
        mine.gone("container", "soh-left")
    assert list(tmp_path.iterdir()) == []
    with claimed(stale) as late:
        assert late is None


def test_a_half_written_last_line_is_skipped_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    with Ledger.open(RUN, tmp_path) as ledger:
        ledger.planned("network", "soh-net")
        with ledger.path.open("ab") as torn:
            torn.write(b'{"planned": "volu')
        ledger.planned("container", "soh-registry")
        assert [entry.name for entry in ledger.open_entries()] == ["soh-net", "soh-registry"]


def test_a_reused_process_number_is_not_taken_for_the_run() -> None:
    own = identity(os.getpid())
    assert own is not None
    assert own.alive
    assert not replace(own, ticks=own.ticks - 100).alive
    assert not replace(own, boot="another").alive


def test_files_that_are_no_ledgers_are_named_and_never_stale(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text("hello\n")
    assert stale_ledgers(tmp_path) == []
    assert [path.name for path in not_ledgers(tmp_path)] == ["notes.jsonl"]


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match=r"cannot be written"):
        Ledger.open(RUN, tmp_path / "file")


def test_a_disk_that_takes_half_a_line_is_an_error_and_the_half_announces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(RUN, tmp_path) as ledger:
        real, room = os.write, [20]

        def filling(descriptor: int, data: bytes) -> int:
            if not room[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = real(descriptor, data[: room[0]])
            room[0] -= written
            return written

        monkeypatch.setattr(os, "write", filling)
        with pytest.raises(HostError, match="cannot be written: No space left"):
            ledger.planned("container", "soh-a")
        monkeypatch.undo()
        assert ledger.open_entries() == []
        ledger.planned("container", "soh-b")
        assert [entry.name for entry in ledger.open_entries()] == ["soh-b"]
        ledger.gone("container", "soh-b")


def test_a_write_in_pieces_is_a_whole_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.open(RUN, tmp_path) as ledger:
        real = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
        ledger.planned("network", "soh-net")
        assert [entry.name for entry in ledger.open_entries()] == ["soh-net"]
        ledger.gone("network", "soh-net")


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"run": 1, "pid": 2}',
        '{"run": "../../etc", "pid": 2}',
        f'{{"run": "{RUN}", "pid": "x"}}',
        f'{{"run": "{RUN}"}}\n{{"planned": "folder"}}',
        f'{{"run": "{RUN}"}}\n{{"planned": "folder", "name": "x", "facts": 7}}',
        f'{{"run": "{RUN}"}}\n{{"engine": [1]}}',
    ],
    ids=["deep", "number", "path", "pid", "nameless", "facts", "engine"],
)
def test_a_damaged_ledger_is_no_ledger(tmp_path: Path, content: str) -> None:
    file = tmp_path / f"{RUN}.jsonl"
    file.write_text(content)
    with pytest.raises(HostError, match="is not a ledger"):
        read(file)
    assert stale_ledgers(tmp_path) == []
    assert not_ledgers(tmp_path) == [file]
