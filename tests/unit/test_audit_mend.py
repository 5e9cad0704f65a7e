# SPDX-License-Identifier: Apache-2.0
"""Mending replaces stale names and nothing else, in all files or in none, and SARIF has the same fixes."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.audit import docs, mend, sarif
from harness.audit.findings import Severity
from harness.audit.homes import Homes
from harness.audit.stale import Stale
from harness.errors import UsageError
from harness.matrix import catalogue
from harness.report import files

CASES = tomllib.loads((Path(__file__).parent / "audit_cases" / "found.toml").read_text())["case"]
_AT_ONCE = 20
VALUES = """\
# our values   # two comments
image:   {registry: "docker.io",  repository: 'kubeflow/spark-operator'} # here\r
other:
    - &a docker.io/kubeflow/spark-operator:2.5.2   # keep me
    - *a
    - docker.io/kubeflow/spark-operator:2.1.1
"""
MENDED = """\
# our values   # two comments
image:   {registry: "ghcr.io",  repository: 'kubeflow/spark-operator/controller'} # here\r
other:
    - &a ghcr.io/kubeflow/spark-operator/controller:2.5.2   # keep me
    - *a
    - docker.io/kubeflow/spark-operator:2.1.1
"""


@pytest.fixture(scope="module")
def homes() -> Homes:
    return Homes(catalogue.load().releases)


def planned(folder: Path, homes: Homes) -> list[mend.Mended]:
    return mend.plan(docs.audit(folder, homes), docs.Scanner(homes))


def test_comments_quotes_and_blanks_stay(homes: Homes, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_bytes(VALUES.encode())
    mend.write(planned(tmp_path, homes))
    assert (tmp_path / "values.yaml").read_bytes() == MENDED.encode()


def test_a_tag_beside_a_name_is_mended_where_it_is(homes: Homes, tmp_path: Path) -> None:
    text = "images:\n- name: x\n  newName: ghcr.io/kubeflow/spark-operator/controller\n  newTag: {}2.5.2\n"
    (tmp_path / "kustomization.yaml").write_text(text.format("v"))
    mend.write(planned(tmp_path, homes))
    assert (tmp_path / "kustomization.yaml").read_text() == text.format("")


# `<host>` and `<more>` are what is mended: nothing else may differ.
MENDED_TOGETHER = [
    (
        "ci.yml",
        """
        IMAGE_REGISTRY: <host>
        IMAGE_REPOSITORY: kubeflow/spark-operator<more>
        run: crane pull $IMAGE_REGISTRY/kubeflow/spark-operator<more>:2.5.2
        """,
    ),
    (
        "settings.py",
        """
        registry: str = Field(default="<host>")
        repository: str = Field(default="kubeflow/spark-operator<more>")
        """,
    ),
    ("app.yml", "registry: ${HUB:<host>}\nname: ${IMAGE:kubeflow/spark-operator<more>}\nversion: 2.5.2\n"),
    ("app.yaml", "{name: spark-operator.image.repository, value: kubeflow/spark-operator<more>}\n"),
    ("op.rs", 'registry: "<host>".to_string(),\nrepository: "kubeflow/spark-operator<more>".into(),\n'),
    ("main.tf", 'op = "${var.hub != null ? var.hub : "<host>"}/kubeflow/spark-operator<more>:2.5.2"\n'),
    ("Jenkinsfile", 'def a = "<host>/" + "kubeflow/spark-operator<more>:2.5.2"\n'),
    ("op.go", 'image := fmt.Sprintf("%s/%s:%s", "<host>", "kubeflow/spark-operator<more>", "2.5.2")\n'),
    (
        "variables.yml",
        """
operator_hub: <host>
operator_repository: kubeflow/spark-operator<more>
operator_version: 2.5.2
image: "{{ operator_hub }}/{{ operator_repository }}:{{ operator_version }}"
""",
    ),
    ("d.yaml", 'image: "{{ .hub | default "<host>" }}/{{ .repo | default "kubeflow/spark-operator<more>" }}:2.5.2"\n'),
    ("a.sh", "docker pull ${HUB:-<host>}/${NAME:-kubeflow/spark-operator<more>}:${TAG:-2.5.2}\n"),
    ("b.sh", "docker pull <host>/${NAME:-kubeflow/spark-operator<more>}:2.5.2\n"),
    ("hub.tf", 'op = "${coalesce(var.hub, "<host>")}/${coalesce(var.name, "kubeflow/spark-operator<more>")}:2.5.2"\n'),
    ("values.yaml", "image:\n  registry: &hub <host>\n  repository: kubeflow/spark-operator<more>\n"),
    (
        "release.yaml",
        """
chart: spark-operator
version: ^2.1.0
image: {registry: <host>, repository: kubeflow/spark-operator<more>}
""",
    ),
    ("main.py", 'op = f\'{os.getenv("HUB", "<host>")}/kubeflow/spark-operator<more>:2.5.2\'\n'),
]


def test_name_and_tag_are_mended_on_their_lines(homes: Homes, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("image:\n  name: docker.io/kubeflow/spark-operator\n  tag: v2.5.2\n")
    mend.write(planned(tmp_path, homes))
    mended = "image:\n  name: ghcr.io/kubeflow/spark-operator/controller\n  tag: 2.5.2\n"
    assert (tmp_path / "a.yaml").read_text() == mended


@pytest.mark.parametrize(("file", "text"), MENDED_TOGETHER, ids=[it[0] for it in MENDED_TOGETHER])
def test_all_parts_of_a_name_are_mended_together(file: str, text: str, homes: Homes, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text.replace("<host>", "docker.io").replace("<more>", ""))
    mend.write(planned(tmp_path, homes))
    assert (tmp_path / file).read_text() == text.replace("<host>", "ghcr.io").replace("<more>", "/controller")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("ci.yml", "image: kubeflow/spark-operator:2.5.2\nrun: docker pull docker.io/${{ matrix.image }}\n"),
        ("Makefile", "I = kubeflow/spark-operator:2.5.2\npull:\n\tfor i in $(I); do docker pull docker.io/$$i; done\n"),
        ("op.json", '{"bomFormat": "CycloneDX", "name": "docker.io/kubeflow/spark-operator:2.5.2"}\n'),
        ("a.adoc", ":op-version: 2.1.1\n\ndocker pull docker.io/kubeflow/spark-operator:{op-version}\n"),
        ("a.nix", '{ imageName = "docker.io/kubeflow/spark-operator"; finalImageTag = "2.1.1"; }\n'),
        ("a.sh", "docker pull docker.io/kubeflow/spark-operator:2.1.1${SUFFIX}\n"),
        ("a.sh", "docker pull ${IMAGE:-kubeflow/spark-operator}:2.1.1\n"),
        ("a.sh", "docker pull ${IMAGE:-docker.io/kubeflow/spark-operator}:${TAG}\n"),
        ("a.yaml", 'image: "docker.io/kubeflow/spark-operator:{{ .Values.tag }}"\n'),
        ("a.yaml", "image:\n  name: docker.io/kubeflow/spark-operator\n  tag: $TAG\n"),
        ("a.yaml", "image:\n  registry: docker.io\n  repository: kubeflow/spark-operator\n  tag: $TAG\n"),
        ("a.go", 'image := fmt.Sprintf("%s/%s:%s", "docker.io", "kubeflow/spark-operator", tag)\n'),
        ("a.py", 'image = "docker.io/kubeflow/spark-operator:" + tag\n'),
        (
            "a.yaml",
            """
image: {registry: &hub docker.io, repository: kubeflow/spark-operator, tag: 2.5.2}
redis: {image: {registry: *hub, repository: acme/redis}}
""",
        ),
        (
            "a.yaml",
            """
chart: spark-operator
version: ">=2.0.0 <2.2.0"
image: {registry: docker.io, repository: kubeflow/spark-operator}
""",
        ),
        (
            "a.yaml",
            """
image:
  registry: docker.io
  repository: kubeflow/spark-operator
  # tag: 2.5.2
  tag: 2.1.1
""",
        ),
        (
            "a.yaml",
            """
op: &op
  registry: docker.io
  repository: kubeflow/spark-operator
image:
  <<: *op
  tag: 2.1.1
""",
        ),
        (
            "a.py",
            """
IMAGE_REGISTRY = "docker.io"
IMAGE_REPOSITORY = "kubeflow/spark-operator"
REDIS = IMAGE_REGISTRY + "/library/redis:7"
""",
        ),
        (
            "a.go",
            """
var registry = "docker.io"
var repository = "kubeflow/spark-operator"
redis := fmt.Sprintf("%s/library/redis:%s", registry, tag)
""",
        ),
        ("a.tpl", '{{- printf "docker.io/kubeflow/spark-operator:%s" $tag -}}\n'),
        ("a.env", "SPARK_OPERATOR_IMAGE=docker.io/kubeflow/spark-operator\nSPARK_OPERATOR_VERSION=2.1.1\n"),
        ("Dockerfile", "ARG BASE=docker.io/kubeflow/spark-operator\nFROM ${BASE}:2.1.1\n"),
        ("a.sh", "IMG=docker.io/kubeflow/spark-operator\ndocker pull $IMG:$1\n"),
        (
            "a.sh",
            """
IMAGE_REGISTRY=docker.io
IMAGE_REPOSITORY=kubeflow/spark-operator
docker pull ${IMAGE_REGISTRY}/${IMAGE_REPOSITORY}:$1
""",
        ),
        ("kustomization.yaml", "images:\n- name: operator\n  newName: docker.io/kubeflow/spark-operator\n"),
        ("a.md", "| Operator | docker.io/kubeflow/spark-operator | 2.1.1 |\n"),
        ("a.html", "<td>docker.io/kubeflow/spark-operator</td><td>2.0.2</td>\n"),
        ("a.sh", "HUB=docker.io/kubeflow\ndocker pull $HUB/spark-operator:2.5.2\n"),
        ("a.json", '{"image": "docker.io\\/kubeflow\\/spark-operator:2.5.2"}\n'),
        ("images.json", '{"docker.io/kubeflow/spark-operator:2.1.1,2.5.2": "registry.acme.io/op"}\n'),
        (".imgpkg/images.yml", "kbld.carvel.dev/id: docker.io/kubeflow/spark-operator:2.5.2\n"),
        (
            "fleet.yaml",
            """
helm: {chart: spark-operator, version: 2.5.2}
targetCustomizations:
- helm:
    version: 2.1.1
    values:
      image:
        registry: docker.io
""",
        ),
        (
            "appset.yaml",
            """
elements: [{version: 2.1.1}, {version: 2.5.2}]
chart: spark-operator
targetRevision: '{{ .version }}'
image: {registry: docker.io, repository: kubeflow/spark-operator}
""",
        ),
    ],
)
def test_what_another_place_decides_is_left_to_its_author(file: str, text: str, homes: Homes, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert docs.audit(tmp_path, homes).findings
    assert planned(tmp_path, homes) == []


def test_the_diff_comes_first_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "values.yaml").write_bytes(VALUES.encode())
    assert cli.main(["audit", "docs", str(tmp_path), "--diff"]) == 1
    said = capsys.readouterr().out
    assert (tmp_path / "values.yaml").read_bytes() == VALUES.encode()

    diff = said[: said.index("values.yaml:2")]
    assert diff.startswith("--- a/values.yaml\n+++ b/values.yaml\n")
    assert cli.main(["audit", "docs", str(tmp_path), "--fix"]) == 1
    said = capsys.readouterr().out
    assert said.startswith(diff)
    assert "mended 2 in 1 file\n" in said
    assert "1 stale reference in 1 file" in said
    assert (tmp_path / "values.yaml").read_bytes() == MENDED.encode()


# The file, its text, and of which findings another name alone is no mend.
LEFT_ALONE = [
    ("Chart.lock", "repository: https://googlecloudplatform.github.io/spark-on-k8s-operator\n"),
    ("kustomization.yaml", "images:\n- name: docker.io/kubeflow/spark-operator\n  newTag: 2.5.2\n"),
    (
        "up.sh",
        "helm install so so/spark-operator --version 1.4.6 --set image.repository=docker.io/kubeflow/spark-operator\n",
    ),
    ("sync.yaml", "docker.io:\n  images-by-semver:\n    kubeflow/spark-operator: '>= 2.2.0'\n"),
    ("copy.yaml", "- from: kubeflow/spark-operator\n  to: mirror/kubeflow/spark-operator\n"),
    ("values.yaml", "x: &hub\n  registry: docker.io\nimage:\n  <<: *hub\n  repository: kubeflow/spark-operator\n"),
    ("values.yaml", "op:\n  image:\n    repository: kubeflow/spark-operator\n    tag: 2.5.2\n"),
    ("op.spdx.json", '{"name": "docker.io/kubeflow/spark-operator", "versionInfo": "2.5.2"}\n'),
    (".env", "OPERATOR_IMAGE_REPOSITORY=kubeflow/spark-operator\nOPERATOR_IMAGE_TAG=2.5.2\n"),
    ("wf.yaml", "- {name: image, value: docker.io/kubeflow/spark-operator}\n- {name: tag, value: 2.1.1}\n"),
    ("op.groovy", 'docker.setImage("docker.io/kubeflow/spark-operator").setTag("2.1.1")\n'),
    ("default.rb", "docker_image 'kubeflow/spark-operator' do\n  tag '2.1.1'\nend\n"),
    ("init.sls", "op:\n  docker_image.present:\n    - name: kubeflow/spark-operator\n    - tag: 2.1.1\n"),
]


@pytest.mark.parametrize(
    ("file", "text"), LEFT_ALONE, ids=[f"{file} {number}" for number, (file, _) in enumerate(LEFT_ALONE)]
)
def test_what_another_name_alone_does_not_mend_is_left(file: str, text: str, homes: Homes, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text)
    assert docs.audit(tmp_path, homes).findings
    assert planned(tmp_path, homes) == []


def test_a_diff_can_be_applied_by_git(homes: Homes, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "a.txt").write_text("docker.io/kubeflow/spark-operator:2.5.2")
    (it,) = planned(tmp_path, homes)
    subprocess.run(["git", "-C", str(tmp_path), "apply"], input=it.diff.encode(), check=True)
    assert (tmp_path / "a.txt").read_text() == "ghcr.io/kubeflow/spark-operator/controller:2.5.2"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\f\n", " \u2028\n"], ids=["LF", "CRLF", "form feed", "U+2028"])
def test_a_diff_has_the_lines_as_git_counts_them(end: str, homes: Homes, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    text = f"a{end}docker.io/kubeflow/spark-operator:2.5.2{end}b{end}"
    (tmp_path / "a.txt").write_bytes(text.encode())
    (it,) = planned(tmp_path, homes)
    subprocess.run(["git", "-C", str(tmp_path), "apply"], input=it.diff.encode(), check=True)
    assert (tmp_path / "a.txt").read_bytes() == it.after


def test_the_printed_diff_keeps_carriage_returns(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "a.txt").write_bytes(b"image: docker.io/kubeflow/spark-operator:2.5.2\r\n")
    cli.main(["audit", "docs", str(tmp_path), "--diff"])
    assert b"\n+image: ghcr.io/kubeflow/spark-operator/controller:2.5.2\r\n" in capsysbinary.readouterr().out


def test_everything_mended_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.md").write_text("docker.io/kubeflow/spark-operator:2.5.2\n")
    assert cli.main(["audit", "docs", str(tmp_path), "--fix"]) == 0
    assert "0 stale references in 1 file" in capsys.readouterr().out
    assert cli.main(["audit", "docs", str(tmp_path), "--fix"]) == 0
    assert "mended" not in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "latin-1"])
def test_the_encoding_stays(encoding: str, homes: Homes, tmp_path: Path) -> None:
    def text(name: str) -> bytes:
        mark = "\ufeff" if encoding == "utf-16-be" else ""
        return f"{mark}größe: 1\r\nimage: {name}:2.5.2\r\n".encode(encoding)

    (tmp_path / "a.yaml").write_bytes(text("docker.io/kubeflow/spark-operator"))
    mend.write(planned(tmp_path, homes))
    assert (tmp_path / "a.yaml").read_bytes() == text("ghcr.io/kubeflow/spark-operator/controller")


def test_all_files_are_written_or_none(homes: Homes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = "docker.io/kubeflow/spark-operator:2.5.2\n"
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(before)
    write = files.write_bytes_atomically

    def refusing(file: Path, content: bytes) -> None:
        if file.name == "b.md":
            raise PermissionError(13, "Permission denied")
        write(file, content)

    # A folder that cannot be written to can be by root, who runs this in CI.
    monkeypatch.setattr(mend, "write_bytes_atomically", refusing)
    with pytest.raises(UsageError, match=r"b\.md cannot be written: Permission denied; no file was changed"):
        mend.write(planned(tmp_path, homes))
    assert [(tmp_path / name).read_text() for name in ("a.md", "b.md")] == [before, before]


def test_a_file_that_was_changed_meanwhile_is_left_alone(homes: Homes, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("docker.io/kubeflow/spark-operator:2.5.2\n")
    made = planned(tmp_path, homes)
    (tmp_path / "a.md").write_text("something else\n")
    with pytest.raises(UsageError, match="changed while it was mended"):
        mend.write(made)
    assert (tmp_path / "a.md").read_text() == "something else\n"


def test_modes_and_links_stay(homes: Homes, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    script = tmp_path / "real" / "a.sh"
    script.write_text("docker pull docker.io/kubeflow/spark-operator:2.5.2\n")
    script.chmod(0o750)
    (tmp_path / "a.sh").symlink_to("real/a.sh")
    mend.write(planned(tmp_path / "a.sh", homes))
    assert (tmp_path / "a.sh").is_symlink()
    assert "ghcr.io" in script.read_text()
    assert script.stat().st_mode & 0o777 == 0o750


def test_no_link_below_a_folder_leads_out_of_it(homes: Homes, tmp_path: Path) -> None:
    before = "docker.io/kubeflow/spark-operator:2.5.2\n"
    folder = tmp_path / "repository"
    folder.mkdir()
    (tmp_path / "other.md").write_text(before)
    (folder / "other.md").symlink_to("../other.md")
    (folder / "a.md").write_text(before)
    (folder / "same.md").symlink_to("a.md")
    assert len(docs.audit(folder, homes).findings) == 3
    mend.write(planned(folder, homes))
    assert (folder / "a.md").read_text() != before
    assert (tmp_path / "other.md").read_text() == before
    assert [it.file for it in docs.audit(folder, homes).findings] == ["other.md"]


def test_the_owner_stays(homes: Homes, tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("docker.io/kubeflow/spark-operator:2.5.2\n")
    if os.geteuid() == 0:
        # As in a container, in whose folder are files of whoever started it.
        os.chown(file, 65534, 65534)
    before = file.stat()
    mend.write(planned(tmp_path, homes))
    assert "ghcr.io" in file.read_text()
    assert (file.stat().st_uid, file.stat().st_gid) == (before.st_uid, before.st_gid)


@pytest.mark.parametrize(
    "text",
    [
        f"image: docker.io/kubeflow/spark-operator:2.5.2@sha256:{'1' * 64}\n",
        f"image: docker.io/kubeflow/spark-operator@sha256:{'1' * 64}\n",
        "image: docker.io/kubeflow/spark-operator:2.1.1\n",
        "image: docker.io/kubeflow/spark-operator:2.9.0\n",
        "image: ghcr.io/googlecloudplatform/spark-operator:v1beta2-1.3.8-3.1.1\n",
        "url: oci://docker.io/kubeflow/spark-operator\nref: {tag: 2.1.1}\n",
        "chart: spark-operator\nversion: 2.1.1\n",
        "chart: spark-operator\nversion: 2.1.1\nimage: {registry: docker.io, repository: kubeflow/spark-operator}\n",
    ],
)
def test_what_would_be_another_version_or_was_never_published_is_left_to_the_author(
    text: str, homes: Homes, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert docs.audit(tmp_path, homes).findings
    assert planned(tmp_path, homes) == []


# A test of its own for each case would take more time than the cases do.
@pytest.mark.parametrize("first", range(0, len(CASES), _AT_ONCE))
def test_the_fixes_of_sarif_are_those_of_the_command(first: int, homes: Homes, tmp_path: Path) -> None:
    for number, case in enumerate(CASES[first : first + _AT_ONCE]):
        folder = tmp_path / str(number)
        file = folder / case["file"]
        file.parent.mkdir(parents=True)
        file.write_text(case["text"].removeprefix("\n"))
        audit = docs.audit(folder, homes)
        by_sarif = replaced(file.read_text(), json.loads(sarif.text(audit)))
        mend.write(planned(folder, homes))

        assert file.read_text() == by_sarif, case["name"]
        left = docs.audit(folder, homes).findings
        assert not any(it.edits for it in left), case["name"]
        mended = sum(bool(it.edits) for it in errors(audit.findings))
        assert len(errors(left)) == len(errors(audit.findings)) - mended, case["name"]


@pytest.mark.parametrize("first", range(0, len(CASES), _AT_ONCE))
def test_line_ends_of_windows_make_no_difference(first: int, homes: Homes) -> None:
    scanner = docs.Scanner(homes)
    for case in CASES[first : first + _AT_ONCE]:
        text = case["text"].removeprefix("\n")
        one, other = (scanner.scan(it, case["file"]).stale for it in (text, text.replace("\n", "\r\n")))
        assert [(it.line, it.column, it.end, it.text, it.regions) for it in other] == [
            (it.line, it.column, it.end, it.text, it.regions) for it in one
        ], case["name"]
        mended, same = (
            mend.apply(it, {edit for stale in found for edit in stale.edits})
            for it, found in ((text, one), (text.replace("\n", "\r\n"), other))
        )
        assert same == mended.replace("\n", "\r\n"), case["name"]


def errors(found: Sequence[Stale]) -> list[Stale]:
    return [it for it in found if it.finding.severity is Severity.ERROR]


def replaced(text: str, log: Any) -> str:
    """A text with the fixes of a SARIF log, each region once."""
    lines = text.split("\n")
    puts = {
        (put["deletedRegion"]["startLine"], put["deletedRegion"]["startColumn"]): put
        for result in log["runs"][0]["results"]
        for fix in result.get("fixes", [])
        for change in fix["artifactChanges"]
        for put in change["replacements"]
    }
    for (line, column), put in sorted(puts.items(), reverse=True):
        old, end = lines[line - 1], put["deletedRegion"]["endColumn"]
        lines[line - 1] = old[: column - 1] + put["insertedContent"]["text"] + old[end - 1 :]
    return "\n".join(lines)
