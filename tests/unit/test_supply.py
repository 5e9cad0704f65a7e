# SPDX-License-Identifier: Apache-2.0
"""What is known of an artefact: its packages, its bill of materials and its provenance."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.foundry import papers
from harness.foundry.layers import LayerWriter, write_layer
from harness.foundry.store import Artifact, Recipe, Store
from harness.foundry.supply import debs, describe, documents, gobinaries, jars, record, sbom
from harness.foundry.supply.components import Component, merged

STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b8
Description: GNU Bourne Again SHell
 Bash is an sh-compatible command language interpreter.

Package: tini
Status: install ok installed
Architecture: amd64
Version: 0.19.0-1

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1.0
"""
RECORDS = f"""\
Package: bash
Version: 5.2.15-2+b8
Architecture: amd64
SHA256: {"b" * 64}

Package: tini
Version: 0.18.0-1
Architecture: amd64
SHA256: {"c" * 64}
"""
BASE = Recipe(kind="layer", name="base", inputs={"base": "{}", "suite": "bookworm"})
SPARK = Recipe(kind="layer", name="spark-9", inputs={"version": "9.0.0", "sha256": "d" * 64})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "artifacts", tmp_path / "logs")


def a_jar(*notes: tuple[str, str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as jar:
        for group, name, version in notes:
            text = f"#Created by Apache Maven\ngroupId={group}\nartifactId={name}\nversion={version}\n"
            jar.writestr(f"META-INF/maven/{group}/{name}/pom.properties", text)
    return packed.getvalue()


def base(store: Store, records: str = RECORDS) -> Artifact:
    def make(folder: Path, _: Path) -> None:
        write_layer(folder, "layer", lambda layer: layer.text(debs.STATUS, STATUS))
        (folder / "packages.txt").write_text(records)

    return store.build(BASE, make)


def distribution(store: Store) -> Artifact:
    def fill(layer: LayerWriter) -> None:
        layer.text("opt/spark/jars/guava-14.0.1.jar", a_jar(("com.google.guava", "guava", "14.0.1")))
        layer.text("opt/spark/python/lib/py4j-0.10.9.9-src.zip", a_jar())

    return store.build(SPARK, lambda folder, _: _ignore(write_layer(folder, "layer", fill)))


def _ignore(_: object) -> None:
    """A build returns nothing."""


def image(store: Store, **inputs: str) -> Artifact:
    recipe = Recipe(kind="image", name="spark-9", inputs={"base": BASE.key, "distribution": SPARK.key, **inputs})

    def make(folder: Path, _: Path) -> None:
        (folder / "oci-layout").write_text("{}")
        (folder / "index.json").write_text(json.dumps({"manifests": [{"digest": f"sha256:{'e' * 64}"}]}))

    return store.build(recipe, make)


def packages(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {it["purl"]: it for it in document["components"] if "purl" in it}


def test_the_packages_of_a_base_system_are_those_that_dpkg_has_installed() -> None:
    found = debs.contents(STATUS, RECORDS, "bookworm")

    assert [(it.name, it.version, it.sha256) for it in found.components] == [
        ("bash", "5.2.15-2+b8", "b" * 64),
        # apt knows another version of it, whose hash says nothing of this one.
        ("tini", "0.19.0-1", ""),
    ]
    assert found.unknown == ("the hashes of 1 Debian packages: they were not recorded when it was built",)


def test_a_jar_is_what_maven_noted_in_it(tmp_path: Path) -> None:
    shaded = a_jar(("org.inner", "inner", "1.0"), ("org.outer", "outer", "2.0"))

    def fill(layer: LayerWriter) -> None:
        layer.text("jars/outer-2.0.jar", shaded)
        layer.text("jars/unnoted-3.1.jar", a_jar())
        layer.text("jars/nameless.jar", b"no zip at all")

    found = jars.contents(write_layer(tmp_path, "layer", fill).file)

    assert {(it.ecosystem, it.group, it.name, it.version, it.within) for it in found.components} == {
        ("maven", "org.outer", "outer", "2.0", ("/jars/outer-2.0.jar",)),
        ("generic", "", "unnoted", "3.1", ("/jars/unnoted-3.1.jar",)),
    }
    assert found.unknown == (
        "which package nameless.jar is",
        "the Maven group of 1 jars that have no note of it; Maven Central knows their SHA-1",
    )


def test_a_program_that_is_not_gos_has_no_modules(tmp_path: Path) -> None:
    program = tmp_path / "script"
    program.write_text("#!/bin/sh\n")

    found = gobinaries.contents([program])

    assert (found.components, found.unknown) == ((), ("script says nothing of the modules in it",))


def test_gos_hash_of_a_module_is_in_toto_dir_hash() -> None:
    empty = Component(ecosystem="golang", name="x", version="v1", h1="h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")

    # The example of in-toto's digest_set.md.
    assert empty.dir_hash == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_one_package_in_two_programs_is_one_component() -> None:
    one = Component(ecosystem="golang", group="a", name="b", version="v1", within=("x",))
    two = Component(ecosystem="golang", group="a", name="b", version="v1", h1="h1:AA==", within=("y",))

    (found,) = merged([one, two])

    assert (found.within, found.h1) == (("x", "y"), "h1:AA==")


def test_an_image_has_the_packages_of_all_its_layers(store: Store) -> None:
    base(store)
    distribution(store)
    made = image(store)

    document = json.loads((made.folder / "sbom.cdx.json").read_text())

    assert sbom.problems(json.dumps(document)) == []
    found = packages(document)
    assert set(found) == {
        "pkg:deb/debian/bash@5.2.15-2%2Bb8?arch=amd64&distro=bookworm",
        "pkg:deb/debian/tini@0.19.0-1?arch=amd64&distro=bookworm",
        "pkg:maven/com.google.guava/guava@14.0.1",
        "pkg:pypi/py4j@0.10.9.9",
        "pkg:pypi/pyspark@9.0.0",
    }
    assert found["pkg:pypi/pyspark@9.0.0"]["hashes"] == [{"alg": "SHA-256", "content": "d" * 64}]
    assert document["metadata"]["component"]["name"] == "image spark-9"
    assert {it["name"] for it in document["components"] if "purl" not in it} == {"layer base", "layer spark-9"}


def test_the_provenance_names_what_was_built_and_everything_that_it_was_built_from(store: Store) -> None:
    layer = base(store)
    distribution(store)
    made = image(store)

    statement = json.loads((made.folder / "provenance.json").read_text())

    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [{"name": "image", "digest": {"sha256": "e" * 64}}]
    definition = statement["predicate"]["buildDefinition"]
    assert definition["internalParameters"]["key"] == made.key
    assert definition["internalParameters"]["recipe"]["sha256"].startswith(made.key)
    materials = {it["name"]: it["digest"] for it in definition["resolvedDependencies"]}
    described = json.loads((layer.folder / "layer.json").read_text())
    assert materials["layer base: layer.tar.gz"] == {"sha256": described["digest"].removeprefix("sha256:")}
    assert materials["bash"] == {"sha256": "b" * 64}
    # What has no hash on record proves nothing.
    assert "tini" not in materials


def test_the_same_artefact_has_the_same_documents(store: Store) -> None:
    base(store)
    distribution(store)
    made = image(store)
    there = [(made.folder / name).read_text() for name in ("sbom.cdx.json", "provenance.json")]

    again = documents.write(store.root, made.folder)

    assert [again.sbom, again.provenance] == there


def test_an_artefact_from_before_is_described_on_demand(store: Store) -> None:
    made = base(store)
    for name in ("sbom.cdx.json", "provenance.json", "materials.json", "packages.txt"):
        (made.folder / name).unlink()

    found = papers.of(store, "layer base")

    assert (found.packages, found.proved) == (2, 0)
    assert found.unknown == ("layer base: the hashes of 2 Debian packages: they were not recorded when it was built",)
    assert (made.folder / "sbom.cdx.json").read_text() == found.sbom


def test_a_part_that_is_gone_is_named(store: Store) -> None:
    distribution(store)

    made = image(store)

    found = documents.write(store.root, made.folder)
    assert found.unknown == ("image spark-9: its part base is not stored any more",)
    notes = json.loads(found.sbom)["metadata"]["properties"]
    assert {"name": "spark-operator-harness:not-known", "value": found.unknown[0]} in notes


def test_what_is_only_compiled_against_is_a_material_and_not_inside(store: Store) -> None:
    distribution(store)
    additions = Recipe(kind="layer", name="spark-9-additions", inputs={"distribution": SPARK.key, "scala": "2.13"})

    made = store.build(additions, lambda folder, _: _ignore((folder / "SparkPi.class").write_text("class")))

    found = describe.described(store.root, made.folder)
    assert (found.parts, found.components) == ((), ())
    assert [it.record.title for it in found.tools] == ["layer spark-9"]
    statement = json.loads((made.folder / "provenance.json").read_text())
    materials = {it["name"] for it in statement["predicate"]["buildDefinition"]["resolvedDependencies"]}
    assert {"layer spark-9: layer.tar.gz", "guava", "pyspark"} <= materials
    assert "components" not in json.loads((made.folder / "sbom.cdx.json").read_text())


def test_an_image_in_a_node_is_found_by_its_digest(store: Store) -> None:
    base(store)
    distribution(store)
    image(store)
    node = Recipe(kind="kind-node-with-images", name="1.34", inputs={"docker.io/apache/spark:9": f"sha256:{'e' * 64}"})

    made = store.build(node, lambda folder, _: None)

    found = describe.described(store.root, made.folder)
    assert [it.record.title for it in found.parts] == ["image spark-9", "layer base", "layer spark-9"]
    assert found.tools == ()


def test_kubectl_built_alone_stands_for_its_kubernetes(store: Store) -> None:
    whole = Recipe(kind="go", name="kubernetes-9", inputs={"go.mod": "x"})
    alone = Recipe(kind="go", name="kubernetes-9", inputs={"go.mod": "x", "programs": "kubectl"})

    def make(folder: Path, _: Path) -> None:
        (folder / "bin").mkdir()
        (folder / "bin" / "kubectl").write_text("program")

    made = store.build(alone, make)
    hook = store.build(Recipe(kind="image", name="hook", inputs={"kubectl": whole.key}), lambda folder, _: None)

    assert record.parts(store.root, record.read(hook.folder)) == {"kubectl": made.folder}


def test_a_layer_that_cannot_be_read_is_no_empty_one(store: Store) -> None:
    made = store.build(BASE, lambda folder, _: _ignore((folder / "layer.tar.gz").write_bytes(b"x" * 2000)))

    (unknown,) = describe.note(made.folder).unknown

    assert unknown.startswith("what its layer holds, which cannot be read: ")


def test_a_document_that_is_not_a_bill_of_materials_is_told() -> None:
    assert sbom.problems("{") != []
    assert sbom.problems('{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": "one"}') != []


def test_another_name_is_answered_with_those_there_are(store: Store) -> None:
    with pytest.raises(UsageError, match="nothing is stored yet"):
        papers.find(store, "layer base")
    base(store)

    with pytest.raises(UsageError, match="layer base"):
        papers.find(store, "layer bas")


def test_the_tarball_of_a_base_system_names_its_files_with_a_dot(tmp_path: Path) -> None:
    tree = tmp_path / "rootfs.tar"
    with tarfile.open(tree, "w") as archive:
        entry = tarfile.TarInfo(f"./{debs.STATUS}")
        entry.size = len(STATUS)
        archive.addfile(entry, io.BytesIO(STATUS.encode()))

    assert debs.status_in(tree) == STATUS
