# SPDX-License-Identifier: Apache-2.0
"""Layers come out the same whenever they are made, and say truly what is in them."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
from pathlib import Path

import pytest

from harness.foundry.layers import Compression, LayerWriter, Owner, extract, read_layer, write_layer

SPARK = Owner(uid=185, gid=185)


def fill(layer: LayerWriter) -> None:
    layer.folder("opt/spark", owner=SPARK)
    layer.text("opt/spark/RELEASE", "Spark\n", owner=SPARK)
    layer.link("opt/java", "/usr/lib/jvm")
    layer.text("usr/bin/tool", b"#!/bin/sh\n", mode=0o755)


def members(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as archive:
        return {member.name: member for member in archive}


@pytest.mark.parametrize("compression", list(Compression))
def test_the_same_files_make_the_same_layer(tmp_path: Path, compression: Compression) -> None:
    first = write_layer(tmp_path, "first", fill, compression=compression)
    second = write_layer(tmp_path, "second", fill, compression=compression)
    assert first.digest == second.digest
    assert first.file.read_bytes() == second.file.read_bytes()


@pytest.mark.parametrize("compression", list(Compression))
def test_digests_and_size_are_those_of_the_file(tmp_path: Path, compression: Compression) -> None:
    layer = write_layer(tmp_path, "layer", fill, compression=compression)
    data = layer.file.read_bytes()
    assert layer.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert layer.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(data)).hexdigest()}"
    assert layer.size == len(data)
    assert read_layer(tmp_path) == layer


def test_owner_and_mode_are_kept_and_time_is_not(tmp_path: Path) -> None:
    layer = write_layer(tmp_path, "layer", fill)
    found = members(layer.file)
    assert (found["opt/spark"].uid, found["opt/spark"].gid) == (185, 185)
    assert found["opt/spark/RELEASE"].uid == 185
    assert found["usr/bin/tool"].mode == 0o755
    assert found["opt/java"].linkname == "/usr/lib/jvm"
    assert {member.mtime for member in found.values()} == {0}
    assert {member.uname for member in found.values()} == {""}


def test_folders_on_the_way_are_put_in_once_and_are_roots(tmp_path: Path) -> None:
    layer = write_layer(tmp_path, "layer", fill)
    with tarfile.open(layer.file) as archive:
        names = archive.getnames()
    assert names == ["opt", "opt/spark", "opt/spark/RELEASE", "opt/java", "usr", "usr/bin", "usr/bin/tool"]
    assert members(layer.file)["usr/bin"].uid == 0


def test_a_tree_is_sorted_and_keeps_what_is_executable(tmp_path: Path) -> None:
    source = tmp_path / "tree"
    (source / "bin").mkdir(parents=True)
    for name in ("b", "a"):
        (source / "bin" / name).write_text(name)
        os.utime(source / "bin" / name, (1_000_000, 1_000_000))
    (source / "bin" / "a").chmod(0o700)
    layer = write_layer(tmp_path, "layer", lambda writer: writer.tree("opt", source))
    found = members(layer.file)
    assert list(found) == ["opt", "opt/bin", "opt/bin/a", "opt/bin/b"]
    assert found["opt/bin/a"].mode == 0o755
    assert found["opt/bin/b"].mode == 0o644


def test_a_member_of_another_tarball_moves_with_its_owner(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    with tarfile.open(tmp_path / "source.tar", "w") as archive:
        entry = archive.gettarinfo(tmp_path / "file", "./usr/bin/perl")
        entry.uid, entry.uname = 7, "somebody"
        with (tmp_path / "file").open("rb") as stream:
            archive.addfile(entry, stream)
        link = tarfile.TarInfo("./usr/bin/perl5")
        link.type, link.linkname = tarfile.LNKTYPE, "./usr/bin/perl"
        archive.addfile(link)

    def copy(writer: LayerWriter) -> None:
        with tarfile.open(tmp_path / "source.tar") as source:
            for member in source:
                writer.member(
                    member.name.removeprefix("./"), member, source.extractfile(member) if member.isreg() else None
                )

    found = members(write_layer(tmp_path, "layer", copy).file)
    assert found["usr/bin/perl"].uid == 7
    assert found["usr/bin/perl"].uname == ""
    assert found["usr/bin/perl5"].linkname == "usr/bin/perl"


def test_files_come_out_again_by_prefix_and_suffix(tmp_path: Path) -> None:
    def jars(layer: LayerWriter) -> None:
        for name in ("spark-core.jar", "spark-sql.jar", "guava.jar", "spark.txt"):
            layer.text(f"opt/spark/jars/{name}", name)

    layer = write_layer(tmp_path, "layer", jars, compression=Compression.NONE)
    files = extract(layer, "opt/spark/jars/spark", ".jar", tmp_path / "out")
    assert [file.name for file in files] == ["spark-core.jar", "spark-sql.jar"]
    assert (tmp_path / "out" / "spark-sql.jar").read_text() == "spark-sql.jar"
