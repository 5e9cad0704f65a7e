# SPDX-License-Identifier: Apache-2.0
"""Python clients of Spark Connect: their rows, how they are fetched, what their answers are worth.

The clients that ask here are stand-ins for pyspark: the real ones need a server. A folder stands for the package
index.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest

from harness.apps import python_clients, samples
from harness.apps.context import ScenarioContext
from harness.checks import expectation
from harness.errors import BuildError, CatalogueError
from harness.foundry import connect_clients as foundry
from harness.foundry import inventory, layers, pypi, spark
from harness.foundry.store import Store
from harness.matrix import catalogue, connect_clients
from harness.matrix.connect_clients import ConnectClient, ConnectClients
from harness.settings import Settings
from harness.stories.installs.scenarios import spark_connect
from harness.verdicts import Verdict, worst

CLIENTS = connect_clients.catalogue()
SERVER = samples.chart_values().spark.version
BY_ROLE = {it.role: it for it in CLIENTS.of_server(SERVER)}
QUERIES: dict[str, Mapping[str, Any]] = {
    "version": {"got": SERVER},
    "range": {"got": 5050},
    "sql": {"got": 5050},
    "sql with a parameter": {"got": 42},
    "temporary view": {"got": 5},
    "toPandas": {"got": 45},
}
DATA: dict[str, Mapping[str, Any]] = {
    "createDataFrame": {"got": [[1, "a"], [2, "b"]]},
    "createDataFrame of pandas": {"got": 3},
}
MISSING = (
    'SparkNoSuchElementException: [SQL_CONF_NOT_FOUND] The SQL config "spark.sql.session.localRelationSizeLimit" '
    "cannot be found. Please verify that the config exists. SQLSTATE: 42K0I\n\nJVM stacktrace:\norg.apache.spark.…"
)

STAND_IN = """\
__version__ = "9.9.9"


class Frame:
    def __init__(self, rows):
        self.rows = rows

    def selectExpr(self, text):
        return Frame([{0: sum(self.rows)}])

    def collect(self):
        return self.rows

    def createOrReplaceTempView(self, name):
        pass

    def count(self):
        return 5

    def toPandas(self):
        raise RuntimeError("no frame for you")


class Session:
    version = "4.0.4"

    def range(self, first, last=0):
        return Frame(list(range(first, last)))

    def sql(self, text, args=None):
        return Frame([{0: 42 if args else 5050}])

    def table(self, name):
        return Frame([])

    def createDataFrame(self, rows, names=()):
        return Frame([dict(zip(names, row)) for row in rows])

    def stop(self):
        pass


class SparkSession:
    class builder:
        @staticmethod
        def remote(address):
            assert address == "sc://127.0.0.1:1"

            class Builder:
                getOrCreate = staticmethod(Session)

            return Builder
"""
BACKEND = """\
from pathlib import Path


def prepare_metadata_for_build_wheel(folder, settings=None):
    made = Path(folder, "{name}-{version}.dist-info")
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    (made / "WHEEL").write_text("Wheel-Version: 1.0\\nGenerator: a test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return made.name


def build_wheel(folder, settings=None, metadata=None):
    raise NotImplementedError
"""


def stand_in(folder: Path, text: str = STAND_IN) -> list[Path]:
    """A folder with something that is imported as pyspark."""
    package = folder / "pyspark"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(text)
    (package / "sql.py").write_text("from pyspark import SparkSession\n")
    return [folder]


def test_the_rows_are_of_the_servers_version_and_of_both_ends() -> None:
    assert set(BY_ROLE) == {"server", "newest", "oldest"}
    assert BY_ROLE["server"].version == SERVER
    versions = [tuple(map(int, BY_ROLE[role].version.split("."))) for role in ("oldest", "server", "newest")]
    assert versions == sorted(set(versions))
    for it in CLIENTS.client:
        assert f"/v{it.version}/" in it.source


def test_a_server_of_each_spark_is_asked_by_a_client_of_its_version() -> None:
    archives = {row.version: row.sha256 for row in spark.catalogue().spark}
    for version in (it for it in samples.chart_values().spark.images if not it.startswith("3.")):
        (own,) = (it for it in CLIENTS.of_server(version) if it.role == "server")
        assert own.version == version
        if own.package == "pyspark":
            assert own.sha256 == archives[version]
    with pytest.raises(CatalogueError, match=r"has no client of Spark 9\.9\.9"):
        CLIENTS.of_server("9.9.9")


@pytest.mark.parametrize(("server", "number"), [("4.0.4", 1), ("4.0.5", 1), ("4.1.4", 1), ("4.2.1", 0), ("4.3.0", 0)])
def test_a_break_is_expected_of_the_servers_that_have_it(server: str, number: int) -> None:
    assert len(list(CLIENTS.expected("spark-connect", server))) == number


def test_what_clients_need_is_pinned_with_hashes() -> None:
    lines = [it for it in foundry.REQUIREMENTS.read_text().splitlines() if it and not it.startswith("#")]
    pinned = [it for it in lines if not it.startswith(" ")]
    assert all(re.match(r"[\w-]+==[\w.]+ ", it) for it in pinned)
    asked = foundry.REQUIREMENTS.with_suffix(".in").read_text().splitlines()
    names = {re.split(r"[=<>]", it)[0] for it in asked if not it.startswith("#")}
    assert names <= {it.partition("==")[0] for it in pinned}
    assert all("--hash=sha256:" in it for it in lines if it.startswith(" "))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('role = "newest"\n', 'role = "latest"\n'),
        ("says = '", "says = '("),
        ("sha256 = ", 'more = "x"\nsha256 = '),
    ],
)
def test_a_wrong_row_is_told_with_its_place(tmp_path: Path, change: str, said: str) -> None:
    file = tmp_path / "clients.toml"
    file.write_text(connect_clients.FILE.read_text().replace(change, said, 1))
    with pytest.raises(CatalogueError, match=r"clients\.toml"):
        connect_clients.read(file)


def test_right_answers_pass_and_are_named() -> None:
    found = python_clients.judged(BY_ROLE["server"], "queries", QUERIES, SERVER)
    assert (found.check, found.verdict) == ("client-server-queries", Verdict.PASSED)
    assert "pyspark-client 4.0.4 gets the right answers: range, sql" in found.message


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (QUERIES | {"range": {"got": 5049}}, "range: got 5049 instead of 5050"),
        (QUERIES | {"version": {"got": "3.5.5"}}, "version: got '3.5.5' instead of '4.0.4'"),
        ({name: it for name, it in QUERIES.items() if name != "sql"}, "sql: it was not asked"),
        (QUERIES | {"sql": {"error": MISSING}}, "SQLSTATE: 42K0I"),
    ],
)
def test_a_wrong_answer_fails(answers: dict[str, Any], said: str) -> None:
    found = python_clients.judged(BY_ROLE["oldest"], "queries", answers, SERVER)
    assert found.verdict is Verdict.FAILED
    assert said in found.message
    assert "stacktrace" not in found.message


def predicted(role: str, data: dict[str, Any]) -> list[Any]:
    """The checks of a client's data, with what is known to break."""
    client = BY_ROLE[role]  # type: ignore[index]
    findings = [python_clients.judged(client, "data", data, SERVER)]
    known = [it for it in CLIENTS.expected("spark-connect", SERVER) if f"-{role}-" in it.check]
    return expectation.judge(findings, known, "spark-connect", rows="charts/clients.toml")


def test_the_known_break_of_the_newest_client_is_broken_as_known_and_no_others() -> None:
    (found,) = predicted("newest", DATA | {"createDataFrame": {"error": MISSING}})
    assert found.verdict is Verdict.BROKEN_AS_KNOWN
    assert "spark.conf.set" in found.evidence["way_out"]
    (found,) = predicted("newest", DATA | {"createDataFrame": {"error": "Exception: boo"}})[:1]
    assert found.verdict is Verdict.FAILED
    (found,) = predicted("oldest", DATA | {"createDataFrame": {"error": MISSING}})
    assert found.verdict is Verdict.FAILED


def test_a_server_of_4_1_breaks_the_newest_client_in_words_of_its_own() -> None:
    said = "ValueError: invalid literal for int() with base 10: '3221225472b'"
    found = python_clients.judged(BY_ROLE["newest"], "data", DATA | {"createDataFrame": {"error": said}}, "4.1.4")
    known = list(CLIENTS.expected("spark-connect", "4.1.4"))
    (judged,) = expectation.judge([found], known, "spark-connect", rows="charts/clients.toml")
    assert judged.verdict is Verdict.BROKEN_AS_KNOWN


def test_a_break_that_is_gone_is_told_with_the_file_of_its_row() -> None:
    found = predicted("newest", DATA)[-1]
    assert (found.check, found.verdict) == (expectation.CHECK, Verdict.FAILED)
    assert "correct the row in charts/clients.toml" in found.message


def test_a_client_asks_what_it_says_it_asks(tmp_path: Path) -> None:
    queries, data = python_clients.ask(BY_ROLE["server"], stand_in(tmp_path), "127.0.0.1:1", SERVER, timeout=60)
    assert queries.message == "pyspark-client 4.0.4: toPandas: RuntimeError: no frame for you"
    assert set(queries.evidence["answers"]) == set(QUERIES)
    assert data.evidence["answers"]["createDataFrame"] == DATA["createDataFrame"]


def test_a_client_that_gets_nowhere_says_nothing_about_the_server(tmp_path: Path) -> None:
    found = python_clients.ask(
        BY_ROLE["server"], stand_in(tmp_path / "a", "raise ImportError('no grpc')\n"), "127.0.0.1:1", SERVER, timeout=60
    )
    assert [it.verdict for it in found] == [Verdict.ERROR] * 2
    assert "no grpc" in found[0].message
    waits = "import time\ntime.sleep(60)\n"
    found = python_clients.ask(BY_ROLE["server"], stand_in(tmp_path / "b", waits), "127.0.0.1:1", SERVER, timeout=1)
    assert [it.verdict for it in found] == [Verdict.ERROR] * 2


def test_a_client_that_cannot_be_had_is_unavailable_and_never_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster: that nobody is asked is what matters."""
    monkeypatch.setattr(spark_connect, "forwarded", lambda *of: nullcontext("127.0.0.1:1"))
    monkeypatch.setattr(python_clients, "ask", lambda *of, **more: pytest.fail("it was asked"))
    fetched: dict[ConnectClient, Future[Any]] = {}
    for it in BY_ROLE.values():
        fetched[it] = Future()
        fetched[it].set_exception(BuildError("pip could not fetch it: no network"))
    context = cast(
        ScenarioContext, type("Context", (), {"cluster": None, "namespace": "spark-connect", "spark_version": SERVER})()
    )
    found = spark_connect._python_clients(context, "spark-connect-server", fetched)

    assert {it.verdict for it in found} == {Verdict.UNAVAILABLE}
    assert worst(found) is Verdict.UNAVAILABLE
    assert len(found) == 2 * len(BY_ROLE)
    assert "pyspark-client 4.0.4 cannot be had: pip could not fetch it: no network" in found[0].message


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConnectClient:
    """A client of which an index has the source distribution, with a jar beside its Python."""
    row = BY_ROLE["server"]
    root = f"pyspark_client-{row.version}"
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {
        "pyproject.toml": build,
        "backend.py": BACKEND.format(name="pyspark_client", version=row.version),
        "PKG-INFO": f"Metadata-Version: 2.1\nName: pyspark-client\nVersion: {row.version}\n",
        "pyspark/__init__.py": STAND_IN,
        "deps/jars/spark.jar": "a jar",
    }
    folder = tmp_path / "index"
    folder.mkdir()
    archive = folder / f"{root}.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{root}/{name}")
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text.encode()))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    empty = tmp_path / "requirements.txt"
    empty.write_text("")
    monkeypatch.setattr(foundry, "REQUIREMENTS", empty)
    return row.model_copy(update={"sha256": sha256(archive.read_bytes()).hexdigest()})


def test_of_a_client_its_python_is_kept_and_it_is_fetched_once(
    index: ConnectClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "artifacts", tmp_path / "logs")
    own, _ = foundry.ready(store, index, 120)
    assert (own / "pyspark" / "__init__.py").read_text() == STAND_IN
    assert not list(own.rglob("*.jar"))
    assert not list(own.glob("*.tar.gz"))
    monkeypatch.setattr(pypi, "source", lambda *of, **more: pytest.fail("it was fetched again"))
    assert foundry.ready(store, index, 120)[0] == own


def test_a_client_is_taken_from_the_spark_that_has_been_built(
    index: ConnectClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer of two files stands for that of Spark."""
    store = Store(tmp_path / "artifacts", tmp_path / "logs")
    row = spark.SparkVersion(version="9.9.9", scala="2.13", sha256="9" * 64)
    monkeypatch.setattr(
        spark,
        "catalogue",
        lambda: spark.read_catalogue(spark.RECIPES / "spark.toml").model_copy(update={"spark": (row,)}),
    )
    client = index.model_copy(update={"package": "pyspark", "version": row.version, "sha256": row.sha256})

    def fill(layer: layers.LayerWriter) -> None:
        layer.text(f"{spark.HOME}/python/pyspark/__init__.py", STAND_IN, owner=spark.OWNER)
        layer.text(f"{spark.HOME}/jars/spark.jar", "a jar", owner=spark.OWNER)

    def make(folder: Path, log_file: Path) -> None:
        layers.write_layer(folder, "layer", fill)

    store.build(spark.parts("9.9.9")[1], make)
    monkeypatch.setattr(pypi, "source", lambda *of, **more: pytest.fail("it was fetched"))
    own, _ = foundry.ready(store, client, 120)
    assert [it.relative_to(own).as_posix() for it in own.rglob("*.*") if "pyspark" in it.parts] == [
        "pyspark/__init__.py"
    ]


def test_another_file_than_the_rows_is_refused(index: ConnectClient, tmp_path: Path) -> None:
    store = Store(tmp_path / "artifacts", tmp_path / "logs")
    with pytest.raises(BuildError, match="pip could not fetch pyspark-client"):
        foundry.ready(store, index.model_copy(update={"sha256": "0" * 64}), 120)
    assert not store.artifacts()


def test_the_foundry_knows_them_and_does_not_prune_them(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path)
    known = catalogue.load()
    kept = inventory.current(settings, known.releases)
    assert {(it.kind, it.name, it.key) for it in foundry.recipes()} <= set(kept)
    assert "Spark Connect clients" in inventory.names(settings, known.environments, known.releases)


def test_a_catalogue_without_a_role_expects_nothing_of_it() -> None:
    alone = ConnectClients(client=(BY_ROLE["server"],), known=CLIENTS.known)
    assert not list(alone.expected("spark-connect", SERVER))
