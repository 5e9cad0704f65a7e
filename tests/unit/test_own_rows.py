# SPDX-License-Identifier: Apache-2.0
"""A user's own rows over those of the project, and what is said about each mistake in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import settings, stories
from harness.audit.homes import Homes
from harness.errors import CatalogueError, HarnessError, SettingsError, UsageError
from harness.kube import pull_messages
from harness.matrix import catalogue, own_rows
from harness.matrix.model import Cell
from harness.matrix.select import Selection, choose
from harness.registries.front import profile
from harness.run import locked_rows
from harness.run.lock import LockedRow

RELOCATION = """\
[[relocation]]
host = "quay.io"
repository = "acme/spark-operator"
hook_repository = "acme/spark-operator-kubectl"
"""
ENVIRONMENT = """\
[[environment]]
name = "kind-1.34"
provider = "kind"
kubernetes = "1.34.9"
node_image = "docker.io/kindest/node:v1.34.9"
"""
EDGE = """\
[[edge]]
from = ["2.2.1@docker.io"]
to = ["2.5.2"]
crds = ["apply"]
outage_limit = 77
"""
KNOWN = """\
[[known]]
from = ["2.2.1", "2.3.0"]
to = ["2.5.2@quay.io", "2.5.1"]
scenario = "operator-health"
check = "no-restarts"
says = "restarted"
why = "our policy restarts every pod"
link = "https://acme.example/policy"
way_out = "wait"
basis = "run"
"""
MESSAGE = """\
[[message]]
kind = "no-such"
pattern = "replication"
words = "x"
source = "our registry"
version = "2"
examples = ["e"]
"""
NO_HOST = 'repository = "acme/spark-operator"\n'


def folder(root: Path, **files: str) -> Path:
    root.mkdir(exist_ok=True)
    for name, text in files.items():
        (root / f"{name.replace('_', '-')}.toml").write_text(text)
    return root


def loaded(*folders: Path) -> catalogue.Catalogue:
    return catalogue.load(own=own_rows.read(folders))


def read_all(own: own_rows.OwnRows) -> None:
    catalogue.load(own=own)


def cell_in(found: catalogue.Catalogue, path: str, scenario: str = "operator-health") -> Cell:
    wanted = Selection(cells=(f"kind-1.34/{path}/{scenario}",))
    (cell,) = choose(found, wanted, stories.scenarios()).cells
    return cell


def test_a_registry_of_ones_own_needs_no_edit_of_a_shipped_file(tmp_path: Path) -> None:
    found = loaded(folder(tmp_path, releases=RELOCATION))

    assert found.release("2.5.2@quay.io").image == "quay.io/acme/spark-operator:2.5.2"
    assert found.release("2.5.2@docker.io").relocated
    assert "2.5.2@quay.io" in [it.name for it in found.copies()]


def test_without_folders_the_catalogues_are_the_shipped_ones() -> None:
    assert catalogue.load(own=own_rows.read([])) == catalogue.load()


def test_the_releases_alone_are_those_of_the_catalogues(tmp_path: Path) -> None:
    own = folder(tmp_path / "rows", releases=RELOCATION)
    (tmp_path / "harness.toml").write_text(f'catalogue_dirs = ["{own}"]\n')
    loaded_settings = settings.load(file=tmp_path / "harness.toml")

    alone, all_of_them = catalogue.releases_of(loaded_settings), catalogue.of(loaded_settings).releases
    assert Homes(alone).all == Homes(all_of_them).all
    assert [it.version for it in alone] == [it.version for it in all_of_them]


def test_a_row_replaces_another_one_if_it_says_so(tmp_path: Path) -> None:
    found = loaded(
        folder(tmp_path, environments=ENVIRONMENT + "replaces = true\n", upgrades=EDGE + "replaces = true\n")
    )

    assert found.environment("kind-1.34").kubernetes == "1.34.9"
    assert found.upgrades.paths["upgrade-2.2.1@docker.io-2.5.2+crds=apply"].outage_limit == 77
    assert found.upgrades.paths["upgrade-2.2.1@docker.io-2.5.2+crds=hook"].outage_limit == 5000
    assert [it.name for it in found.environments] == [it.name for it in catalogue.load().environments]


def test_a_later_folder_can_replace_rows_of_an_earlier_one(tmp_path: Path) -> None:
    first = folder(tmp_path / "one", releases=RELOCATION)
    second = folder(tmp_path / "two", releases=RELOCATION.replace("acme", "other") + "replaces = true\n")

    assert loaded(first, second).release("2.5.2@quay.io").repository == "other/spark-operator"


@pytest.mark.parametrize(
    ("file", "text", "line", "said"),
    [
        ("releases", RELOCATION.replace("quay.io", "docker.io"), 2, "key host: a row with host = 'docker.io' is in"),
        ("environments", ENVIRONMENT, 2, "key name: a row with name = 'kind-1.34' is in"),
        ("upgrades", EDGE, 1, "a row above already has upgrade-2.2.1@docker.io-2.5.2+crds=apply"),
        ("releases", RELOCATION + "replaces = true\n", 5, "key replaces: there is no row with host = 'quay.io'"),
        ("upgrades", EDGE.replace("2.2.1@", "2.3.0@") + "replaces = true\n", 6, "no row above has a path of this"),
        ("releases", RELOCATION + "replaces = 1\n", 5, "key replaces: it is true or false, not 1"),
        ("matrix", '[[tier]]\nname = "x"\nreplaces = true\n', 3, "[[tier]] rows add up"),
        ("releases", "[[relocation]]\n" + NO_HOST, 1, "key host: this key is missing"),
        ("releases", RELOCATION + 'host_url = "x"\n', 5, "key host_url: there is no such key"),
        ("releases", RELOCATION.replace('"quay.io"', "5"), 2, "key host: input should be a valid string"),
        ("releases", RELOCATION.replace("acme/spark-operator", "Acme/Spark"), 3, "is not registry/repository"),
        ("releases", "[[mirror]]\n" + NO_HOST, 1, "only [[release]] and [[relocation]] rows belong here"),
        ("releases", "[relocation]\n" + NO_HOST, 1, "this table has rows: write [[relocation]]"),
        ("releases", "relocation = [3]\n", 1, "this is not a table: write [[relocation]]"),
        ("upgrades", "[defaults]\noutage_limit = 9\n", 1, "rows belong here"),
        ("upgrades", EDGE.replace("2.2.1@docker.io", "2.9.9"), 2, "there is no release named '2.9.9'"),
        ("upgrades", EDGE.replace("2.2.1@docker.io", "2.2.1@quay.io"), 2, "has no relocation to quay.io"),
        ("environments", ENVIRONMENT.replace('"kind-1.34"', '"../kind"'), 2, "cannot be a part of a cell's id"),
        ("environments", ENVIRONMENT.replace("kind-1.34", "mine").replace(":v1.34.9", ":v1.34.8"), 5, "not v1.34.9"),
        ("pull-messages", MESSAGE, 2, "'no-such' is not one of"),
        ("releases", "[[relocation]\n", 1, "is not valid TOML"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_own_file_and_line(
    tmp_path: Path, file: str, text: str, line: int, said: str
) -> None:
    own = folder(tmp_path / "rows", **{file: text})

    with pytest.raises(HarnessError) as caught:
        (pull_messages.use if file == "pull-messages" else read_all)(own_rows.read([own]))

    assert str(own / f"{file}.toml") in caught.value.message
    assert f"line {line}" in caught.value.message or "line 1" in caught.value.message.partition("TOML")[2]
    assert said in caught.value.message
    assert caught.value.next_step


@pytest.fixture(autouse=True)
def shipped_messages() -> Iterator[None]:
    yield
    pull_messages.use(own_rows.NONE)


def test_a_list_is_called_a_list(tmp_path: Path) -> None:
    (tmp_path / "upgrades.toml").write_text('[[edge]]\nfrom = "2.2.1"\nto = ["2.5.2"]\ncrds = ["apply"]\n')
    with pytest.raises(CatalogueError, match=r"line 2: key from: input should be a list, in brackets, not '2\.2\.1'"):
        catalogue.load(own=own_rows.read([tmp_path]))


def test_the_place_of_the_row_that_is_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"clusters/environments\.toml, line \d+") as caught:
        loaded(folder(tmp_path, environments=ENVIRONMENT))

    assert "replaces = true" in caught.value.next_step


def test_a_shipped_file_takes_no_replaces(tmp_path: Path) -> None:
    file = folder(tmp_path, releases=RELOCATION + "replaces = true\n") / "releases.toml"

    with pytest.raises(CatalogueError, match="there is no such key"):
        catalogue.read_relocations(file)


def test_files_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    outside = tmp_path / "outside.toml"
    outside.write_text(RELOCATION)
    cases: dict[str, Callable[[Path], object]] = {
        "links-out": lambda it: it.symlink_to(outside),
        "cyclic": lambda it: it.symlink_to(it),
        "leads-nowhere": lambda it: it.symlink_to("none.toml"),
        "a-folder": lambda it: it.mkdir(),
        "a-pipe": lambda it: os.mkfifo(it),
        "not-text": lambda it: it.write_bytes(b"\xff\xfe"),
    }
    said = {
        "links-out": "is a link that leads out of",
        "cyclic": "leads nowhere, or to itself",
        "leads-nowhere": "leads nowhere, or to itself",
        "a-folder": "is not a file",
        "a-pipe": "is not a file",
        "not-text": "is not valid TOML",
    }
    for name, make in cases.items():
        own = tmp_path / name
        own.mkdir()
        make(own / "releases.toml")
        with pytest.raises(CatalogueError, match=said[name]) as caught:
            loaded(own)
        assert str(own / "releases.toml") in caught.value.message


def test_a_link_to_another_file_of_the_folder_will_do(tmp_path: Path) -> None:
    own = folder(tmp_path / "rows")
    (own / "..data").mkdir()
    (own / "..data" / "releases.toml").write_text(RELOCATION)
    (own / "releases.toml").symlink_to("..data/releases.toml")

    assert loaded(own).release("2.5.2@quay.io")


def test_a_misspelt_file_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"did you mean releases\.toml"):
        loaded(folder(tmp_path, release=RELOCATION))


def test_a_profile_that_no_run_reads_is_told(tmp_path: Path) -> None:
    (tmp_path / "values").mkdir()
    (tmp_path / "values" / "prod.yml").write_text("{}")

    with pytest.raises(CatalogueError, match=r"values profiles end in \.yaml"):
        loaded(tmp_path)


def test_folders_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    own = folder(tmp_path / "rows", releases=RELOCATION)
    file = tmp_path / "harness.toml"
    file.write_text('catalogue_dirs = ["rows"]\n')

    assert settings.load(file=file).catalogue_dirs == (own,)
    assert catalogue.of(settings.load(file=file)).release("2.5.2@quay.io")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('catalogue_dirs = ["none"]', "none is not a folder"),
        ('catalogue_dirs = ["harness.toml"]', "is not a folder"),
        ('catalogue_dirs = ["itself"]', "is not a folder"),
        ("catalogue_dirs = [1]", "key catalogue_dirs"),
        ('catalogue_dirs = "rows"', "key catalogue_dirs"),
        ('catalogue_dir = ["rows"]', "did you mean catalogue_dirs?"),
    ],
)
def test_wrong_folders_are_told_with_the_line_of_harness_toml(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "harness.toml"
    file.write_text(f"jobs = 1\n{text}\n")
    (tmp_path / "itself").symlink_to("itself")

    with pytest.raises(SettingsError) as caught:
        settings.load(file=file)

    assert f"{file}, line 2: key catalogue_dir" in caught.value.message
    assert said in caught.value.message


def test_own_messages_come_first_and_are_no_longer_unknown(tmp_path: Path) -> None:
    text = "harbor: replication of the artifact is pending"
    assert not pull_messages.read(text).is_recognised
    own = folder(
        tmp_path,
        pull_messages=f'[[message]]\nkind = "registry-busy"\npattern = "replication of the artifact"\nwords = "it is '
        f'replicated"\nsource = "our registry"\nversion = "2"\nexamples = ["{text}"]\n',
    )

    pull_messages.use(own_rows.read([own]))

    assert pull_messages.read(text).kind == "registry-busy"


def test_a_lock_has_the_rows_of_its_cell_and_works_where_the_folders_are_not(tmp_path: Path) -> None:
    edges = EDGE.replace('"2.5.2"', '"2.5.2@quay.io", "2.4.0@quay.io"')
    mine = loaded(folder(tmp_path, releases=RELOCATION, upgrades=edges + KNOWN))
    name = "upgrade-2.2.1@docker.io-2.5.2@quay.io+crds=apply"
    cell = cell_in(mine, path=name)

    rows = locked_rows.locked(mine, cell)

    assert [(it.file, it.table) for it in rows] == [
        ("releases", "relocation"),
        ("upgrades", "edge"),
        ("upgrades", "known"),
    ]
    assert rows[1].values["to"] == ["2.5.2@quay.io"]
    assert rows[2].values["from"] == ["2.2.1@docker.io"]
    elsewhere = catalogue.load(own=own_rows.given(as_given(rows)))
    assert elsewhere.upgrades.paths[name] == mine.upgrades.paths[name]
    assert elsewhere.upgrades.paths[name].outage_limit == 77


def test_a_lock_has_the_rows_about_the_install_that_a_path_begins_with(tmp_path: Path) -> None:
    row = KNOWN.replace("[[known]]", '[[known]]\nkinds = ["install"]').replace('to = ["2.5.2@quay.io", "2.5.1"]', "")
    mine = loaded(folder(tmp_path, upgrades=row.replace("no-restarts", "release-installed") + row))

    (upgrade,) = locked_rows.locked(mine, cell_in(mine, path="upgrade-2.2.1-2.5.2+crds=apply"))
    install = locked_rows.locked(mine, cell_in(mine, path="install-2.5.2", scenario="spark-pi"))

    assert (upgrade.values["check"], upgrade.values["to"]) == ("release-installed", ["2.2.1"])
    assert [it.values["to"] for it in install] == [["2.5.2"], ["2.5.2"]]


def test_a_lock_of_shipped_rows_has_none(tmp_path: Path) -> None:
    mine = loaded(folder(tmp_path, releases=RELOCATION))

    assert locked_rows.locked(mine, cell_in(mine, path="upgrade-2.2.1@docker.io-2.5.2+crds=apply")) == ()


def as_given(rows: tuple[LockedRow, ...]) -> dict[str, dict[str, list[dict[str, object]]]]:
    files: dict[str, dict[str, list[dict[str, object]]]] = {}
    for row in rows:
        files.setdefault(row.file, {}).setdefault(row.table, []).append(dict(row.values))
    return files


def test_a_local_registry_can_behave_like_one_of_ones_own(tmp_path: Path) -> None:
    shipped = (settings.PROJECT_ROOT / "clusters" / "registries.toml").read_text()
    text = shipped[shipped.index('["ghcr.io"]') : shipped.index('["docker.io"]')]
    own = folder(tmp_path, registries=text.replace('"ghcr.io"', '"quay.io"'))

    found = profile.profiles(own=own_rows.read([own]))

    assert found["quay.io"].service == "quay.io"
    assert found["quay.io"].answers == found["ghcr.io"].answers
    assert "quay.io" not in profile.profiles()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('["ghcr.io"]\nservice = "x"\n', "there is a table of this name already"),
        ('["quay.io"]\nreplaces = true\n', "there is no table of this name that it could replace"),
        ('["quay.io"]\nreplaces = "yes"\n', "it is true or false, not 'yes'"),
        ('["quay.io"]\nservice = "x"\n', "key host: this key is missing"),
        ("quay = 1\n", "only tables are allowed here"),
    ],
)
def test_mistakes_in_registries_of_ones_own(tmp_path: Path, text: str, said: str) -> None:
    own = own_rows.read([folder(tmp_path, registries=text)])

    with pytest.raises(CatalogueError) as caught:
        profile.profiles(own=own)

    assert f"{tmp_path / 'registries.toml'}, line " in caught.value.message
    assert said in caught.value.message or "this key is missing" in caught.value.message


NOT_OF_THE_FOUNDRY = ENVIRONMENT + "replaces = true\n"
NEVER_ON_K3D = """\
[[exclude]]
environments = ["k3d-1.34"]
reason = "we have no k3d"
link = "https://acme.example/policy"
"""
REGISTRY_TIER = """\
[[tier]]
name = "ours"
environments = ["kind-1.34"]
foundry = true
paths = ["install-2.5.2"]
scenarios = ["spark-pi"]
"""


def of_tier(found: catalogue.Catalogue, name: str) -> set[str]:
    return {it.environment.base for it in choose(found, Selection(tags=(name,)), stories.scenarios()).cells}


@pytest.mark.parametrize("rows", [{"environments": NOT_OF_THE_FOUNDRY}, {"matrix": NEVER_ON_K3D}])
def test_rows_of_ones_own_may_leave_a_tier_of_the_project_without_cells(tmp_path: Path, rows: dict[str, str]) -> None:
    found = loaded(folder(tmp_path, **rows))

    gone = "kind-1.34" if "environments" in rows else "k3d-1.34"
    assert of_tier(found, "smoke") == of_tier(loaded(), "smoke") - {gone}
    assert of_tier(found, "upgrades") >= {"kind-1.34", "k3d-1.34"} - {gone}


def test_a_tier_that_ones_own_rows_leave_no_cell_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    both = NOT_OF_THE_FOUNDRY + NOT_OF_THE_FOUNDRY.replace("1.34", "1.36").replace('"kind', '"k3d')
    found = loaded(folder(tmp_path, environments=both))

    with pytest.raises(UsageError, match="the tier registries has no cell beside the rows of catalogue_dirs"):
        of_tier(found, "registries")


def test_a_tier_of_ones_own_without_cells_is_a_mistake(tmp_path: Path) -> None:
    found = loaded(folder(tmp_path, environments=NOT_OF_THE_FOUNDRY, matrix=REGISTRY_TIER))

    with pytest.raises(CatalogueError, match=r"matrix.toml, line 4: key foundry: the foundry builds no node"):
        of_tier(found, "smoke")
