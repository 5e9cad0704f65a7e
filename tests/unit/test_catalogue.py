# SPDX-License-Identifier: Apache-2.0
"""The catalogues: every row of the real files, and what is said about a wrong one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from harness.errors import CatalogueError, UsageError
from harness.matrix import catalogue
from harness.matrix.model import Environment
from harness.matrix.release import Release
from harness.settings import PROJECT_ROOT

REAL = catalogue.load()

ENVIRONMENT = """\
[[environment]]
name = "kind-1.34"
provider = "kind"
kubernetes = "1.34.4"
foundry = true
"""

RELEASE = """\
[[release]]
version = "2.5.2"
date = "2026-07-30"
registry = "ghcr.io"
repository = "kubeflow/spark-operator/controller"
spark = "4.0.4"
crds = ["sparkapplications.sparkoperator.k8s.io"]
"""


@pytest.mark.parametrize("row", REAL.environments, ids=lambda row: row.name)
def test_every_environment_says_where_its_node_image_comes_from(row: Environment) -> None:
    line = f"-containerd-{row.containerd.rpartition('.')[0]}" if row.containerd else ""
    line += "-restricted" if row.restricted else ""
    assert row.name == f"{row.provider}-{row.minor}{line}"
    assert row.node_image or row.foundry
    if row.node_image:
        tag = row.node_image.partition("@")[0].partition(":")[2]
        assert re.sub(r"-k3s\d+$", "", tag) == f"v{row.kubernetes_from('upstream')}"
        assert row.kubernetes_from("upstream").startswith(row.minor + ".")
    assert row.kubernetes_from("foundry") == row.kubernetes


def minors(rows: Iterable[Environment]) -> list[int]:
    """`34` of `1.34`."""
    return [int(row.minor.partition(".")[2]) for row in rows]


def test_the_rows_of_each_provider_reach_from_the_oldest_claimed_minor_without_a_gap() -> None:
    claimed = min(int(row.kubernetes.split("-")[0].partition(".")[2]) for row in REAL.releases if row.kubernetes)
    for provider, rows in groupby(REAL.environments, key=lambda row: row.provider):
        found = list(dict.fromkeys(minors(rows)))
        assert found == list(range(claimed, found[-1] + 1)), provider
    providers = [provider for provider, _ in groupby(row.provider for row in REAL.environments)]
    assert len(providers) == len(set(providers)), "the rows of a provider stand together"


def test_what_runs_in_a_node_is_called_by_its_name() -> None:
    for row in REAL.environments:
        assert row.distribution_from("upstream") == {"kind": "kubernetes", "k3d": "k3s"}[row.provider]
        if row.foundry:
            assert "k3s" not in row.distribution_from("foundry").replace("k3s-shaped", "")


def test_public_images_without_a_digest_are_known() -> None:
    public = [row for row in REAL.environments if row.node_image]
    loose = [row for row in public if not row.pinned]
    for row in loose:
        pinned = [it for it in public if it.provider == row.provider and it.pinned]
        assert max(minors([row])) < min(minors(pinned)), "only of old versions nobody says the digest"
        assert row.provider == "k3d", "kind lists the digests of all its images"


@pytest.mark.parametrize("row", REAL.releases, ids=lambda row: row.version)
def test_every_release_row_agrees_with_the_history_of_the_operator(row: Release) -> None:
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", row.date)
    on_docker_hub = row.version < "2.2.0"
    assert row.registry == ("docker.io" if on_docker_hub else "ghcr.io")
    assert row.image.startswith(f"{row.registry}/kubeflow/spark-operator")
    assert bool(row.hook_image) == (row.version >= "2.3.0")
    assert len(row.crds) == (3 if row.version >= "2.3.0" else 2)
    assert all(crd.endswith(".sparkoperator.k8s.io") for crd in row.crds)
    assert row.chart_repository.startswith("https://")
    assert not row.chart_oci or row.chart_oci.startswith("oci://")
    assert all(re.compile(pattern) for pattern in row.known_log_noise)
    assert len(set(row.metrics)) == len(row.metrics) >= 13


@pytest.mark.parametrize("row", REAL.releases, ids=lambda row: row.version)
def test_a_foundry_release_has_the_module_that_builds_it(row: Release) -> None:
    module = PROJECT_ROOT / "clusters" / "nodes" / "modules" / f"spark-operator-{row.version}"
    assert ("foundry" in row.sources) == module.is_dir()


def test_the_noise_at_leader_election_is_known_from_2_1_1_to_2_3_0_only() -> None:
    line = (
        'E1 event.go:377] "Server rejected event (will not retry!)" err="events is forbidden: User '
        '"system:serviceaccount:spark-operator:spark-operator-controller" cannot create resource "events" in API group '
        '"" in the namespace "spark-operator""'
    )
    noisy = [row.version for row in REAL.releases if any(re.search(it, line) for it in row.known_log_noise)]
    assert noisy == ["2.1.1", "2.2.0", "2.2.1", "2.3.0"]


def test_the_webhook_of_2_5_1_alone_may_not_write_events() -> None:
    line = (
        'spark-operator-{} E1 events is forbidden: User "system:serviceaccount:it:of-any-name" cannot create resource '
        '"events" in API group "" in the namespace "spark-operator"'
    )

    def noisy(part: str) -> list[str]:
        later = [row for row in REAL.releases if row.version > "2.3.0"]
        return [row.version for row in later if any(re.search(it, line.format(part)) for it in row.known_log_noise)]

    assert noisy("webhook") == ["2.5.1"]
    assert noisy("controller") == []


def test_releases_follow_each_other_from_2_0_0_on_and_the_foundry_builds_all_from_2_2_1_on() -> None:
    keys = [tuple(map(int, row.version.split("."))) for row in REAL.releases]
    assert keys[0] == (2, 0, 0)
    for (major, minor, patch), following in pairwise(keys):
        assert following in [(major, minor, patch + 1), (major, minor + 1, 0), (major + 1, 0, 0)]
    # Upstream's module is served by the proxy from there on.
    assert ["foundry" in row.sources for row in REAL.releases] == [key >= (2, 2, 1) for key in keys]


def test_names_lead_to_rows_and_wrong_names_to_what_was_meant() -> None:
    assert REAL.release("2.5.2").image == "ghcr.io/kubeflow/spark-operator/controller:2.5.2"
    assert REAL.release("2.5.2").hook_image == "ghcr.io/kubeflow/spark-operator/kubectl:2.5.2"
    assert REAL.environment("kind-1.34").kubernetes == "1.34.4"
    with pytest.raises(UsageError, match=r"no environment named 'kind-1\.43'; did you mean .*kind-1\.3"):
        REAL.environment("kind-1.43")


def test_a_relocated_release_is_the_same_release_in_another_registry() -> None:
    copied, own = REAL.release("2.5.2@docker.io"), REAL.release("2.5.2")
    assert copied.name == "2.5.2@docker.io"
    assert copied.relocated
    assert copied.image == "docker.io/kubeflow/spark-operator:2.5.2"
    assert copied.hook_image == "docker.io/kubeflow/spark-operator-kubectl:2.5.2"
    own_names = {"registry", "repository", "hook_registry", "hook_repository", "relocated"}
    assert copied.model_dump(exclude=own_names) == own.model_dump(exclude=own_names)
    assert not REAL.release("2.2.1@docker.io").hook_image
    assert {"2.2.1@docker.io", "2.5.2@docker.io"} <= {it.name for it in REAL.copies()}
    assert not [it.name for it in REAL.copies() if it.version == "2.1.1"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("2.1.1@docker.io", "upstream publishes 2.1.1 there itself(.|\n)*write 2.1.1"),
        ("2.5.2@quay.io", r"no relocation to quay.io(.|\n)*docker\.io"),
        ("2.5.2@", "no relocation to no registry"),
        ("2.5.9@docker.io", "no release named '2.5.9'; did you mean"),
    ],
)
def test_a_copy_that_nobody_has_is_a_usage_error(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        REAL.release(name)


def test_a_wrong_relocation_is_named_by_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "releases.toml"
    file.write_text('[[relocation]]\nhost = "docker.io"\nrepository = "Kubeflow"\nhook_repository = "a/b"\n')
    with pytest.raises(CatalogueError, match=r"line 3: key repository: .*not registry/repository"):
        catalogue.read_relocations(file)


@pytest.mark.parametrize(
    ("text", "line", "key", "why"),
    [
        (ENVIRONMENT.replace("provider", "provder"), 3, "provder", "no such key"),
        (ENVIRONMENT.replace("1.34.4", "1.34"), 4, "kubernetes", "not a full version"),
        (ENVIRONMENT.replace('kubernetes = "1.34.4"\n', ""), 1, "kubernetes", "is missing"),
        (ENVIRONMENT.replace("true", "false"), 5, "foundry", "needs a node_image"),
        (ENVIRONMENT + 'node_image = "kindest/node"\n', 6, "node_image", "not a full reference"),
        (ENVIRONMENT + 'node_image = "docker.io/kindest/node:v1.35.0"\n', 6, "node_image", "is not v1.34.4"),
        (ENVIRONMENT + 'node_image = "docker.io/kindest/node:v1.34.4rc1"\n', 6, "node_image", "is not v1.34.4"),
        (ENVIRONMENT + 'upstream_kubernetes = "1.35.1"\n', 6, "upstream_kubernetes", "not a patch version of 1.34"),
        (ENVIRONMENT + "\n" + ENVIRONMENT, 8, "name", "a second row"),
        (ENVIRONMENT + "\n[surplus]\n", 7, "surplus", r"only \[\[environment\]\] rows"),
    ],
)
def test_a_wrong_environment_is_named_by_file_line_and_key(
    tmp_path: Path, text: str, line: int, key: str, why: str
) -> None:
    file = tmp_path / "environments.toml"
    file.write_text(text)
    with pytest.raises(CatalogueError, match=rf"environments\.toml, line {line}: key {key}: .*{why}") as caught:
        catalogue.read_environments(file)
    assert caught.value.exit_status == 2
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("text", "line", "key", "why"),
    [
        (RELEASE.replace("2.5.2", "v2.5.2"), 2, "version", "not a full version"),
        (RELEASE.replace("2.5.2", "2.6.0-1"), 2, "version", "not a full version"),
        (RELEASE.replace("2.5.2", "dev"), 2, "version", "dev is the operator of --operator, and has no row"),
        (RELEASE + 'hook_registry = "ghcr.io"\n', 1, "hook_repository", "together"),
        (RELEASE + 'sources = ["mirror"]\n', 8, "sources", "'upstream' or 'foundry'"),
        (RELEASE.replace("date", "day"), 3, "day", "no such key"),
    ],
)
def test_a_wrong_release_is_named_by_file_line_and_key(
    tmp_path: Path, text: str, line: int, key: str, why: str
) -> None:
    file = tmp_path / "releases.toml"
    file.write_text(text)
    with pytest.raises(CatalogueError, match=rf"line {line}: key {key}: .*{why}"):
        catalogue.read_releases(file)


def test_a_tag_alone_is_accepted_as_node_image(tmp_path: Path) -> None:
    file = tmp_path / "environments.toml"
    file.write_text(ENVIRONMENT + 'node_image = "docker.io/kindest/node:v1.34.4"\n')
    assert catalogue.read_environments(file)[0].node_image == "docker.io/kindest/node:v1.34.4"


@pytest.mark.parametrize(
    ("text", "why"),
    [("", r"has no \[\[release\]\] row"), ("[[release]\n", "line 1.*not valid TOML"), (None, "does not exist")],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str | None, why: str) -> None:
    file = tmp_path / "releases.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CatalogueError, match=why):
        catalogue.read_releases(file)


def test_a_wrong_default_is_named_by_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "default.toml"
    good = '[[default]]\nenvironments = ["e"]\npaths = ["p"]\nscenarios = ["*"]\n'
    file.write_text(good + good.replace("paths", "path") + good.replace("[[default]]", "[when-not-given]"))
    with pytest.raises(CatalogueError, match=r"default\.toml, line 5: key paths"):
        catalogue.read_defaults(file)
    file.write_text(good)
    with pytest.raises(CatalogueError, match=r"default\.toml, line 1: key when-not-given: this key is missing"):
        catalogue.read_defaults(file)


@pytest.mark.parametrize("quote", ['"', '\\"'], ids=["plain", "escaped"])
def test_the_noise_of_an_election_is_known_however_its_quotes_are_written(quote: str) -> None:
    line = (
        "events is forbidden: User 'system:serviceaccount:spark-operator:spark-operator-controller' cannot create "
        "resource 'events' in API group '' in the namespace 'spark-operator'"
    ).replace("'", quote)

    patterns = REAL.release("2.2.1").known_log_noise

    assert any(re.search(pattern, line) for pattern in patterns)


def test_files_are_validated_again_only_once_they_have_changed(tmp_path: Path) -> None:
    for folder in ("clusters", "charts"):
        for file in (PROJECT_ROOT / folder).glob("*.toml"):
            (tmp_path / folder).mkdir(exist_ok=True)
            shutil.copy(file, tmp_path / folder)
    (tmp_path / "clusters" / "nodes").symlink_to(PROJECT_ROOT / "clusters" / "nodes")
    first = catalogue.load(tmp_path)
    assert catalogue.load(tmp_path) is first
    environments = tmp_path / "clusters" / "environments.toml"
    environments.write_text(environments.read_text() + '\n[[environment]]\nname = "kind-1.34"\n')
    with pytest.raises(CatalogueError, match=r"environments\.toml"):
        catalogue.load(tmp_path)


def test_what_upstream_has_in_the_registry_of_copies_is_its_last_release_there() -> None:
    known = catalogue.load()
    for place in known.relocations:
        there = [it.version for it in known.releases if it.registry == place.host]
        assert place.published == (there[-1] if there else "")
