# SPDX-License-Identifier: Apache-2.0
"""What a file from somebody else may name, and how much an archive may hold."""

from __future__ import annotations

import io
import shutil
import tarfile
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from harness import untrusted
from harness.errors import DiskError, UsageError
from harness.evidence.ledger import new_run_id
from harness.untrusted import Bounds, CellId, OptionalDigest, RunId, Sha256, files_below, inside, opened

SMALL = Bounds(entries=5, file=1000, total=2000)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Sha256, ["ab" * 32], ["", "ab" * 31, "AB" * 32, "/etc/x", "ab" * 32 + "\n"]),
        (OptionalDigest, ["", "sha256:" + "0a" * 32], ["sha256:", "sha512:" + "0a" * 32, "sha256:../" + "0a" * 30]),
        (RunId, [new_run_id()], ["", "..", "20260101-000000-ab1", "20260101-000000-ab12/x"]),
        (
            CellId,
            ["kind-1.34/install-2.5.2/spark-pi", "k3d-1.36/upgrade-2.2.1@docker.io-2.5.2+crds=apply/spark-3.5"],
            [
                "a/b/" + "c" * 201,
                "",
                "a/b",
                "a/b/c/d",
                "/b/c",
                "a/../c",
                "a/./c",
                ".a/b/c",
                "a/b/c\0",
                "a/b\\c/d",
                "a/b/c d",
            ],
        ),
    ],
)
def test_identifiers_are_what_their_type_says(kind: Any, good: list[str], bad: list[str]) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(kind)
    assert [adapter.validate_python(it) for it in good] == good
    for text in bad:
        with pytest.raises(ValidationError):
            adapter.validate_python(text)


@pytest.mark.parametrize("name", ["", "/absolute", "..", "a/../../b", "a\0b", "a\\..\\b", "through/file"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "through").symlink_to(tmp_path)
    with pytest.raises(UsageError) as caught:
        inside(tmp_path / "folder", name)
    assert caught.value.next_step


def test_a_path_that_stays_inside_is_joined(tmp_path: Path) -> None:
    assert inside(tmp_path, "a/b.txt") == tmp_path / "a" / "b.txt"


def test_files_behind_links_are_not_below_a_folder(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    for it in (outside, folder / "a"):
        it.mkdir(parents=True)
    (outside / "secret").write_text("x")
    (folder / "a" / "file").write_text("x")
    (folder / "link").symlink_to(outside)
    (folder / "a" / "link").symlink_to(outside / "secret")
    assert list(files_below(folder)) == [folder / "a" / "file"]


def packed(tmp_path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    file = tmp_path / "some.tar.gz"
    with tarfile.open(file, mode) as archive:  # type: ignore[call-overload]
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file


def regular(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([regular("../x")], "not a path below its folder"),
        ([regular("/x")], "not a path below its folder"),
        ([regular("a/" * 300 + "x")], "is longer or deeper than a path may be"),
        ([regular("a" * 5000)], "is longer or deeper than a path may be"),
        ([special("x", tarfile.SYMTYPE, "/etc")], "is a link"),
        ([special("x", tarfile.LNKTYPE, "y")], "is a link"),
        ([special("x", tarfile.CHRTYPE)], "is a device"),
        ([special("x", tarfile.FIFOTYPE)], "is a device"),
        ([regular(str(number)) for number in range(6)], "more than 5 entries"),
        ([regular("x", b"1"), regular("./x", b"2")], "it has 'x' twice"),
        ([regular("x", b"0" * 1001)], "is a file of"),
        ([regular(str(number), b"0" * 900) for number in range(3)], "add up to more than"),
    ],
)
def test_an_archive_beyond_its_bounds_is_refused(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], why: str
) -> None:
    with opened(packed(tmp_path, *members), SMALL) as archive, pytest.raises(UsageError, match=why):
        list(archive.files())


def test_an_archive_gives_names_and_contents(tmp_path: Path) -> None:
    with opened(packed(tmp_path, regular("./a/b", b"1"), regular("c", b"2")), SMALL) as archive:
        assert list(archive.files()) == [("a/b", b"1"), ("c", b"2")]


@pytest.mark.parametrize("content", [b"hello", b"\x1f\x8b\x08", b""])
def test_what_is_no_archive_is_a_usage_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.tgz"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read as a tar archive"), opened(file, SMALL) as archive:
        list(archive.files())


def test_links_within_an_archive_of_images_are_unpacked_and_others_are_not(tmp_path: Path) -> None:
    bounds = Bounds(entries=5, file=1000, total=2000, links=True)
    good = packed(tmp_path, regular("a/layer.tar", b"1"), special("b/layer.tar", tarfile.SYMTYPE, "../a/layer.tar"))
    (tmp_path / "good").mkdir()
    with opened(good, bounds) as archive:
        archive.extract(tmp_path / "good", reserve=0)
    assert (tmp_path / "good" / "b" / "layer.tar").read_bytes() == b"1"
    bad = packed(tmp_path, special("b/layer.tar", tarfile.SYMTYPE, "../../layer.tar"))
    with opened(bad, bounds) as archive, pytest.raises(UsageError, match="leads outside it"):
        archive.extract(tmp_path / "good", reserve=0)


def test_an_archive_that_unpacks_to_more_than_the_disk_has_room_for_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Well packed zeros: what the file itself takes says nothing of what comes out of it.
    file = packed(tmp_path, regular("first", b"0" * 900), regular("second", b"0" * 900))
    free = iter([5000, 1500])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=next(free)))
    (tmp_path / "into").mkdir()
    with opened(file, SMALL) as archive, pytest.raises(DiskError, match="not enough free disk space"):
        archive.extract(tmp_path / "into", reserve=1000)
    assert [it.name for it in (tmp_path / "into").iterdir()] == ["first"]


LAUGHS = "\n".join(["a: &a [1, 2]", *(f"{b}: &{b} [{f'*{a}, ' * 9}*{a}]" for a, b in pairwise("abcdefgh"))])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &a {b: *a}", "'a' refers to itself"),
        ("- &a [1, [2, *a]]", "'a' refers to itself"),
        ("[" * 300 + "]" * 300, "nested more than 200 deep"),
        (
            "\n".join(["a: &a [1, 2]", *(f"{b}: &{b} [{f'*{a}, ' * 9}*{a}]" for a, b in pairwise("abcdefgh"))]),
            "aliases",
        ),
    ],
)
def test_yaml_that_is_no_tree_of_a_sensible_size_is_refused(text: str, problem: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError, match=problem) as refused:
        untrusted.check_yaml(text)
    assert refused.value.problem_mark is not None


@pytest.mark.parametrize("text", ["", "a: &a [1]\nb: *a\nc: [*a, *a]\n", "&a x: 1\n---\n&a y: *a\n", "[[[1]]]"])
def test_yaml_with_aliases_is_as_good_as_any(text: str) -> None:
    assert untrusted.check_yaml(text) == text


def test_json_without_end_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        untrusted.from_json("[" * 100_000)
