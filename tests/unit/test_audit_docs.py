# SPDX-License-Identifier: Apache-2.0
"""Stale references in documents: all that are planted are found, none is invented."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness import cli
from harness.audit import docs, mend, sarif, walk
from harness.audit.homes import Homes
from harness.matrix import catalogue

GHCR = "ghcr.io/kubeflow/spark-operator/controller"

STALE = {
    "guide.md": """\
        Pull `docker.io/kubeflow/spark-operator`, or ghcr.io/kubeflow/spark-operator:2.5.2.
        docker pull kubeflow/spark-operator
        It ran kubeflow/spark-operator:2.1.1.
        See https://hub.docker.com/r/kubeflow/spark-operator/tags for more.
        | image.registry | string | `"docker.io"` | Image registry. |
        | image.repository | string | `"kubeflow/spark-operator"` | Image repository. |
        helm upgrade op spark-operator/spark-operator \\
          --set image.registry=docker.io
        helm upgrade op spark-operator/spark-operator --set image.repository=kubeflow/spark-operator,image.tag=2.5.2
        index.docker.io/kubeflow/spark-operator:v2.5.2
        docker.io/kubeflow/spark-operator:{{ .Values.tag }}
        """,
    "values.yaml": """\
        image:
          # -- Registry.
          registry: docker.io

          # -- Repository.
          repository: kubeflow/spark-operator
        other:
          image:
            repository: kubeflow/spark-operator
        hook: {image: {registry: docker.io, repository: kubeflow/spark-operator/kubectl, tag: 2.5.2}}
        split:
          registry: docker.io/kubeflow
          repository: spark-operator
        """,
    "main.go": """\
        const image = "docker.io/kubeflow/spark-operator:2.5.2"
        var other = Image{Registry: "docker.io", Repository: "kubeflow/spark-operator"}
        """,
    "Makefile": "IMAGE_REGISTRY ?= docker.io\nIMAGE_REPOSITORY ?= kubeflow/spark-operator\nIMAGE_TAG ?= 2.5.2\n",
    "build.sh": 'export REGISTRY="docker.io"\nexport REPOSITORY="kubeflow/spark-operator"\n',
    "Dockerfile": "FROM kubeflow/spark-operator:2.4.0 AS base\nCOPY --from=kubeflow/spark-operator / /\n",
}
LINES = {
    "guide.md": [1, 1, 2, 3, 4, 6, 8, 9, 10, 11],
    "values.yaml": [6, 9, 10, 13],
    "main.go": [1, 2],
    "Makefile": [2],
    "build.sh": [2],
    "Dockerfile": [1, 2],
}

FINE = {
    "guide.md": """\
        Images: ghcr.io/kubeflow/spark-operator/controller:2.5.2, ghcr.io/kubeflow/spark-operator/kubectl:2.5.2.
        It is [kubeflow/spark-operator](https://github.com/kubeflow/spark-operator), kubeflow/spark-operator#12.
        kubeflow/spark-operator: an operator; https://kubeflow.github.io/spark-operator; kubeflow/spark-operator@master
        https://raw.githubusercontent.com/kubeflow/spark-operator/refs/heads/master/examples/spark-pi.yaml
        https://img.shields.io/github/v/release/kubeflow/spark-operator and oci://ghcr.io/kubeflow/helm-charts/spark-operator
        spark:3.5.5, apache/spark:4.0.4, docker.io/apache/spark:4.0.4, docker.io/library/alpine:3.22.0
        harbor.example.com/kubeflow/spark-operator:2.1.1 is our own copy.
        helm upgrade op spark-operator/spark-operator --set image.registry=ghcr.io
        helm upgrade other example/chart --set image.registry=docker.io
        """,
    "workflow.yaml": """\
        steps:
        - uses: actions/checkout@v4
          with:
            repository: kubeflow/spark-operator
        - uses: docker/login-action@v3
          with:
            registry: docker.io
        image:
          repository: kubeflow/spark-operator/controller
        other:
          registry: docker.io
          repository: apache/spark
        """,
    "main.go": 'import "github.com/kubeflow/spark-operator/v2/pkg/common"\n',
    "CHANGELOG.md": "- Images at docker.io/kubeflow/spark-operator:2.1.1.\n",
}


@pytest.fixture(scope="module")
def homes() -> Homes:
    return Homes(catalogue.load().releases)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        lines = text.splitlines()
        margin = min((len(it) - len(it.lstrip()) for it in lines if it.strip()), default=0)
        (folder / name).write_text("\n".join(line[margin:] for line in lines) + "\n")


def test_every_planted_reference_is_found_with_its_line_and_replacement(homes: Homes, tmp_path: Path) -> None:
    write(tmp_path, STALE)
    found = docs.audit(tmp_path, homes).findings
    assert {name: [it.line for it in found if it.file == name] for name in STALE} == LINES
    assert all(it.finding.replacement for it in found)
    by_place = {(it.file, it.line, it.column): it.finding.replacement for it in found}
    assert by_place["main.go", 1, 16] == f"{GHCR}:2.5.2"
    assert by_place["Dockerfile", 1, 6] == f"{GHCR}:2.4.0"
    assert by_place["guide.md", 4, 5] == (
        "https://github.com/kubeflow/spark-operator/pkgs/container/spark-operator%2Fcontroller"
    )
    assert by_place["Makefile", 2, 1] == ("registry ghcr.io, repository kubeflow/spark-operator/controller, tag 2.5.2")


def test_none_is_invented(homes: Homes, tmp_path: Path) -> None:
    write(tmp_path, FINE)
    audit = docs.audit(tmp_path, homes)
    assert [str(it) for it in audit.findings] == []
    assert audit.left_out == ("CHANGELOG.md",)
    assert [it.file for it in docs.audit(tmp_path, homes, histories=True).findings] == ["CHANGELOG.md"]


def test_history_is_excused_by_a_marker(homes: Homes) -> None:
    text = (
        "docker.io/kubeflow/spark-operator:2.1.1 <!-- audit-docs: history -->\n"
        "# audit-docs: history\nimage: docker.io/kubeflow/spark-operator:2.1.1\nimage: kubeflow/spark-operator\n"
        "# audit-docs: off\nkubeflow/spark-operator:2.1.1\n# audit-docs: on\nkubeflow/spark-operator:2.1.1\n"
    )
    scanned = docs.Scanner(homes).scan(text, "a.md")
    assert ([it.line for it in scanned.stale], scanned.excused) == ([4, 8], 3)


def test_what_git_ignores_is_left_alone(homes: Homes, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("built/\n")
    (tmp_path / "built").mkdir()
    for name in ("built/a.md", "a.md"):
        (tmp_path / name).write_text("docker.io/kubeflow/spark-operator:2.5.2\n")
    assert [it.file for it in docs.audit(tmp_path, homes).findings] == ["a.md"]


def test_the_command_ends_with_1_and_writes_sarif(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, STALE)
    log = tmp_path / "out" / "stale.sarif"
    assert cli.main(["audit", "docs", str(tmp_path), "--sarif", str(log)]) == 1
    said = capsys.readouterr().out
    assert "main.go:1:16: error: docker.io/kubeflow/spark-operator:2.5.2: " in said
    assert "20 stale references in 6 files" in said
    document = json.loads(log.read_text())
    jsonschema.validate(document, SARIF)
    (run,) = document["runs"]
    assert len(run["results"]) == 20
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[it["ruleIndex"]]["id"] == it["ruleId"] for it in run["results"])


def test_the_command_ends_with_0_when_nothing_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, FINE)
    assert cli.main(["audit", "docs", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "findings": [], "files": 3, "excused": 0, "unknown": 0, "left_out": ["CHANGELOG.md"], "unread": {},
    }  # fmt: skip


def test_the_fixes_of_sarif_mend_what_they_are_fixes_of(homes: Homes, tmp_path: Path) -> None:
    write(tmp_path, STALE)
    before = docs.audit(tmp_path, homes)
    results = json.loads(sarif.text(before))["runs"][0]["results"]
    changes = [it for result in results for fix in result.get("fixes", []) for it in fix["artifactChanges"]]
    puts = [(change["artifactLocation"]["uri"], put) for change in changes for put in change["replacements"]]
    for uri, put in sorted(puts, key=lambda it: -it[1]["deletedRegion"]["startColumn"]):
        file, region = tmp_path / uri, put["deletedRegion"]
        lines = file.read_text().splitlines(keepends=True)
        line = lines[region["startLine"] - 1]
        mended = line[: region["startColumn"] - 1] + put["insertedContent"]["text"] + line[region["endColumn"] - 1 :]
        lines[region["startLine"] - 1] = mended
        file.write_text("".join(lines))
    left = docs.audit(tmp_path, homes).findings
    assert len(changes) > 12
    assert len(left) == len(before.findings) - len(changes)
    assert not any(it.edits for it in left)


@pytest.mark.parametrize("audited", [".", "docs", "docs/a b.md"])
def test_sarif_names_files_as_their_checkout_does(homes: Homes, tmp_path: Path, audited: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a b.md").write_text("docker.io/kubeflow/spark-operator:2.5.2\n")

    assert uris(docs.audit(tmp_path / audited, homes)) == [f"{'docs/' if audited == '.' else ''}a%20b.md"]
    (tmp_path / ".git").mkdir()
    assert uris(docs.audit(tmp_path / audited, homes)) == ["docs/a%20b.md"]


def test_sarif_has_names_that_are_no_utf_8(homes: Homes, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_text("docker.io/kubeflow/spark-operator:2.5.2\n")
    assert uris(docs.audit(tmp_path, homes)) == ["caf%E9.md"]


def uris(audit: docs.DocumentAudit) -> list[str]:
    places = [it for result in json.loads(sarif.text(audit))["runs"][0]["results"] for it in result["locations"]]
    return [it["physicalLocation"]["artifactLocation"]["uri"] for it in places]


def test_what_is_not_read_is_counted_by_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(b"\0docker.io/kubeflow/spark-operator:2.5.2")
    (tmp_path / "b.png").write_bytes(b"\0")
    (tmp_path / "large.json").write_bytes(b" " * 4_000_001)
    (tmp_path / "windows.ps1").write_bytes("docker pull docker.io/kubeflow/spark-operator:2.5.2".encode("utf-16"))
    (tmp_path / "link").symlink_to("nowhere")
    assert cli.main(["audit", "docs", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "windows.ps1:1:13: error: docker.io/kubeflow/spark-operator:2.5.2: " in said
    assert "1 stale reference in 1 file; 3 files not read: 2 .png (binary), 1 .json (larger than 4 MB)" in said


def test_bytes_that_begin_as_utf_16_does_and_are_none_are_read_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.md").write_bytes(b"\xff\xfe docker.io/kubeflow/spark-operator:2.5.2\n")
    assert cli.main(["audit", "docs", str(tmp_path)]) == 1
    assert "a.md:1:" in capsys.readouterr().out


def test_a_registry_that_is_filled_in_elsewhere_is_counted_and_no_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "values.yaml").write_text("image: ${REGISTRY}/kubeflow/spark-operator:2.5.2\n")
    assert cli.main(["audit", "docs", str(tmp_path)]) == 0
    assert "0 stale references in 1 file; 1 name with a registry that is filled in elsewhere" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", "docs", "/no/such/folder"]) == 2
    assert "/no/such/folder does not exist" in capsys.readouterr().err


def test_a_pipe_is_no_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert cli.main(["audit", "docs", str(tmp_path / "pipe")]) == 2
    assert "is neither a folder nor a regular file" in capsys.readouterr().err


_MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
_ARTIFACT = {
    "type": "object",
    "required": ["uri", "uriBaseId"],
    "properties": {"uri": {"type": "string", "pattern": "^[^/\\s][^\\s]*$"}},
}
_REGION = {
    "type": "object",
    "required": ["startLine", "startColumn", "endColumn"],
    "additionalProperties": {"type": "integer", "minimum": 1},
}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
# What sarif-schema-2.1.0.json requires of the objects that are written here; unknown keys are errors there, too.
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "originalUriBaseIds": {"type": "object"},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "semanticVersion": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": _MESSAGE,
                                                "defaultConfiguration": {
                                                    "type": "object",
                                                    "properties": {"level": _LEVEL},
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": _LEVEL,
                                "message": _MESSAGE,
                                "partialFingerprints": {
                                    "type": "object",
                                    "additionalProperties": {"type": "string"},
                                },
                                "locations": {
                                    "type": "array",
                                    "minItems": 1,
                                    "items": {
                                        "type": "object",
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation", "region"],
                                                "properties": {"artifactLocation": _ARTIFACT, "region": _REGION},
                                            }
                                        },
                                    },
                                },
                                "fixes": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "required": ["artifactChanges"],
                                        "properties": {
                                            "description": _MESSAGE,
                                            "artifactChanges": {
                                                "type": "array",
                                                "minItems": 1,
                                                "items": {
                                                    "type": "object",
                                                    "required": ["artifactLocation", "replacements"],
                                                    "properties": {
                                                        "artifactLocation": _ARTIFACT,
                                                        "replacements": {
                                                            "type": "array",
                                                            "minItems": 1,
                                                            "items": {
                                                                "type": "object",
                                                                "required": ["deletedRegion"],
                                                                "properties": {
                                                                    "deletedRegion": _REGION,
                                                                    "insertedContent": _MESSAGE,
                                                                },
                                                            },
                                                        },
                                                    },
                                                },
                                            },
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.mark.parametrize(
    "text",
    [
        "{" * 40_000 + " image: kubeflow/spark-operator",
        "${" * 20_000 + "kubeflow/spark-operator",
        "a/" * 40_000 + "kubeflow/spark-operator",
        '{"image":"docker.io/kubeflow/spark-operator:2.5.2"},' * 400,
        "- image:\n    registry: docker.io\n    repository: kubeflow/spark-operator\n" * 800,
        "- chart: spark-operator\n  version: 2.1.1\n" * 1_500,
        "- name: image.tag\n" * 10_000 + " spark-operator",
        "docker.io/kubeflow/spark-operator" + "\t" * 100_000 + "x",
        "\t\n" * 50_000 + "docker.io/kubeflow/spark-operator",
        "tag" + "\t" * 100_000 + "kubeflow/spark-operator",
        # Like the fourth one, but for parts of a name.
        pytest.param(
            '{"name":"spark-operator","value":"kubeflow/spark-operator","x":[1,2,3]},' * 700, marks=pytest.mark.nightly
        ),
    ],
    ids=[
        "braces",
        "templates",
        "slashes",
        "one line",
        "many parts",
        "many charts",
        "many names",
        "tabs behind a name",
        "lines of tabs",
        "tabs before a name",
        "many on one line",
    ],
)
def test_a_text_takes_time_in_proportion_to_its_length(text: str, homes: Homes) -> None:
    scanner = docs.Scanner(homes)
    before = time.process_time()
    scanner.scan(text, "a.json")
    # Were it the square of the length, it would be minutes.
    assert time.process_time() - before < 8.0


def test_a_long_mapping_of_images_takes_no_time_without_end(homes: Homes) -> None:
    text = "  image: docker.io/kubeflow/spark-operator:2.5.2\n" * 1500
    started = time.process_time()
    assert len(docs.Scanner(homes).scan(text, "a.yaml").stale) == 1500
    # With a look at all of the mapping for each name it took more than sixteen seconds.
    assert time.process_time() - started < 10


def test_a_long_line_of_sums_takes_no_time_without_end(homes: Homes, tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('x = "a" + f("kubeflow/spark-operator", [1, (3, "x%s" % b)]) + ' * 400)
    started = time.process_time()
    assert docs.audit(tmp_path, homes).findings == ()
    # With one look at all that stands before each name it took more than twenty seconds.
    assert time.process_time() - started < 10


def test_a_text_with_any_spelling_of_the_name_is_handed_out(homes: Homes, tmp_path: Path) -> None:
    needles = docs.Scanner(homes).needles
    assert len(needles) > 2
    for number, needle in enumerate(needles):
        (tmp_path / f"{number}.txt").write_bytes(b"a " + needle + b" b\n")
    (tmp_path / "other.txt").write_text("a park, a PARK\n")
    found = walk.texts(tmp_path, needles, walk.Walked(), histories=False)
    assert [name for name, _ in found] == [f"{number}.txt" for number in range(len(needles))]


def test_names_of_files_may_be_of_any_bytes(homes: Homes, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    names = [os.fsdecode(it) for it in (b"bad\xff.md", "größe.md".encode(), b'a "b"\\c\t.md', b"line\nend.md")]
    for name in names:
        (tmp_path / name).write_text("docker.io/kubeflow/spark-operator:2.5.2\n")
    audit = docs.audit(tmp_path, homes)
    assert sorted(it.file for it in audit.findings) == sorted(names)
    (result, *_) = json.loads(sarif.text(audit))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20%22b%22%5Cc%09.md"


def test_a_checkout_within_another_is_counted(homes: Homes, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    for folder in (tmp_path, inner):
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (inner / "a.md").write_text("docker.io/kubeflow/spark-operator:2.5.2\n")
    (tmp_path / "link").symlink_to("inner")
    (tmp_path / "b.md").write_text("nothing\n")
    audit = docs.audit(tmp_path, homes)
    assert (audit.files, audit.unread) == (1, (("nested checkout (another repository)", 1),))


def test_files_are_named_as_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("docker.io/kubeflow/spark-operator:2.5.2\n" * 2)
    monkeypatch.chdir(tmp_path)
    for given in ("docs", "docs/a.md", str(tmp_path / "docs")):
        assert cli.main(["audit", "docs", given, "--diff", "--sarif", "a.sarif"]) == 1
        said = capsys.readouterr().out
        assert said.startswith("--- a/docs/a.md\n")
        assert "\ndocs/a.md:2:1: error: " in said
        results = json.loads((tmp_path / "a.sarif").read_text())["runs"][0]["results"]
        uris = [it["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for it in results]
        assert uris == ["docs/a.md", "docs/a.md"]
        # Two places that say the same are two results.
        assert len({it["partialFingerprints"]["staleReference/v1"] for it in results}) == 2


_DEPENDENCY = """\
name: platform
version: 0.1.0
dependencies:
- {name: spark-operator, version: VERSION, repository: "https://kubeflow.github.io/spark-operator"}
"""
_OWN = "name: spark-operator\nversion: VERSION\n"
_BELOW = "spark-operator:\n  image:\n    registry: docker.io\n    repository: kubeflow/spark-operator\n"
_TOP = "image:\n  registry: docker.io\n  repository: kubeflow/spark-operator\n  tag: ''\n"


@pytest.mark.parametrize(
    ("chart", "version", "values", "found"),
    [
        (_DEPENDENCY, "2.1.1", _BELOW, ["old-release"]),
        (_DEPENDENCY, "2.5.2", _BELOW, ["stale-registry"]),
        (_DEPENDENCY, "2.1.1", _BELOW.replace("spark-operator:", "operator:", 1), ["old-release"]),
        (_DEPENDENCY, "2.1.1", "spark-operator: {image: {registry: docker.io}}\n", ["old-release"]),
        (_DEPENDENCY, "2.4.x", "spark-operator: {image: {registry: docker.io}}\n", ["mixed-up-host"]),
        (_OWN, "2.1.1", _TOP, ["old-release"]),
        (_OWN, "2.5.2", _TOP, ["stale-registry"]),
        (_OWN, "1.4.6", "image:\n  repository: docker.io/kubeflow/spark-operator\n", ["stale-registry"]),
    ],
)
def test_values_are_those_of_the_chart_in_their_folder(
    chart: str, version: str, values: str, found: list[str], homes: Homes, tmp_path: Path
) -> None:
    (tmp_path / "Chart.yaml").write_text(chart.replace("VERSION", version))
    (tmp_path / "values.yaml").write_text(values)
    stale = [it for it in docs.audit(tmp_path, homes).findings if it.file == "values.yaml"]
    assert [it.finding.rule for it in stale] == found
    # What chart 2.1.1 asks for is nowhere but on Docker Hub.
    is_new = homes.newest(version) >= "2.2.0"
    assert all(bool(it.edits) == is_new for it in stale)
    made = mend.plan(docs.audit(tmp_path, homes), docs.Scanner(homes))
    assert [it.shown for it in made] == (["values.yaml"] if is_new else [])


def test_a_chart_that_cannot_be_read_says_nothing(
    homes: Homes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Chart.yaml").write_text(_DEPENDENCY.replace("VERSION", "2.1.1"))

    def refused(file: Path, **_: str) -> str:
        raise PermissionError(13, "Permission denied")

    # Root, who runs this in CI, can read everything.
    monkeypatch.setattr(Path, "read_text", refused)
    assert docs.Scanner(homes).chart_beside(tmp_path / "values.yaml") == ""


def test_what_could_not_be_looked_at_is_not_clean(
    homes: Homes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    for name in ("a.md", "b.md", "closed/c.md"):
        (tmp_path / name).write_text("nothing\n")
    (tmp_path / "loop").symlink_to("loop")
    assert docs.audit(tmp_path, homes).exit_status == 0

    # Root, as whom tests may run, is refused nothing.
    def denied(call: Callable[..., Any], ending: str) -> Callable[..., Any]:
        def act(path: Any, *given: Any) -> Any:
            if str(path).rstrip("/").endswith(ending):
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return call(path, *given)

        return act

    monkeypatch.setattr(os, "open", denied(os.open, "b.md"))
    monkeypatch.setattr(os, "scandir", denied(os.scandir, "closed"))
    audit = docs.audit(tmp_path, homes)
    assert (audit.files, sorted(audit.refused), audit.exit_status) == (1, ["b.md", "closed/"], 3)
    assert dict(audit.unread).keys() > {".md (Permission denied)", "folder (Permission denied)"}
    (tmp_path / "a.md").write_text("docker.io/kubeflow/spark-operator:2.5.2\n")
    assert docs.audit(tmp_path, homes).exit_status == 1
