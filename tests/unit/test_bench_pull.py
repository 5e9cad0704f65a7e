# SPDX-License-Identifier: Apache-2.0
"""The pull benchmark's arithmetic: intervals, orders, rows, and what the report's picture reads of them."""

from __future__ import annotations

import json
import math
import os
import random
import signal
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from rich.console import Console

from harness.bench import pull, pull_node, pull_plan
from harness.bench.__main__ import main
from harness.bench.pull_images import Pulled, chain_ids
from harness.bench.pull_node import Node
from harness.bench.pull_plan import COLD, WARM, Manner, Record, Sample, Unit
from harness.bench.pull_site import Traffic
from harness.errors import HarnessError, HostError
from harness.images.mirrors import Mirror
from harness.kube.cluster import Cluster
from harness.matrix import catalogue
from harness.process import Completed
from harness.report.median import median
from harness.report.picture import PullRow, picture

SMALL = {1: "probe", 4: "4 probes", 16: "16 probes"}
REAL = ["controller:2.5.2", "spark:4.0.4"]


@pytest.mark.parametrize(
    ("number", "low", "high", "coverage"), [(5, 1, 5, 0.9375), (6, 1, 6, 0.9688), (9, 2, 8, 0.9609)]
)
def test_the_interval_is_as_narrow_as_it_may_be(number: int, low: int, high: int, coverage: float) -> None:
    found = median([float(it) for it in range(number, 0, -1)])

    assert (found.low, found.high, found.coverage) == (low, high, coverage)
    assert (found.median, found.spread) == ((number + 1) / 2, number - 1)


def test_the_interval_holds_the_true_median_as_often_as_it_says() -> None:
    chance = random.Random(7)  # noqa: S311 - a draw that can be repeated
    true = math.log(2)
    hits = 0
    for _ in range(2000):
        found = median([chance.expovariate(1.0) for _ in range(9)])
        hits += found.low <= true <= found.high

    assert abs(hits / 2000 - median([float(it) for it in range(9)]).coverage) < 0.02


def test_one_sample_proves_nothing() -> None:
    found = median([3.0])

    assert (found.median, found.low, found.high, found.coverage) == (3.0, 3.0, 3.0, 0.0)


def test_every_way_and_number_is_measured_from_each_registry() -> None:
    units = pull_plan.units(REAL, SMALL, ["crane pull"])

    assert len(units) == len(set(units))
    for host in ("ghcr.io", "docker.io"):
        for real in REAL:
            assert Unit(subject=real, host=host, manner="direct") in units
        for parallel, name in SMALL.items():
            for manner in get_args(Manner):
                assert Unit(subject=name, host=host, manner=manner, parallel=parallel) in units
    assert Unit(subject=REAL[0], host="ghcr.io", manner="cache") in units
    assert [it.subject for it in units if it.tool] == [REAL[0]]
    assert [it.subject for it in pull_plan.units([], SMALL, ["crane pull"]) if it.tool] == ["probe"]


def test_each_round_has_an_order_of_its_own_that_a_seed_brings_back() -> None:
    units = pull_plan.units(REAL, SMALL, [])
    orders = [pull_plan.shuffled(units, 1, number) for number in range(5)]

    assert orders == [pull_plan.shuffled(units, 1, number) for number in range(5)]
    assert all(one != other for one, other in pairwise(orders))
    assert all(sorted(map(str, it)) == sorted(map(str, units)) for it in orders)
    assert orders[0] != pull_plan.shuffled(units, 2, 0)


def test_as_many_pulls_must_be_allowed_as_can_be_counted() -> None:
    units = [
        Unit(subject="a", host="docker.io", manner="direct"),
        Unit(subject="a", host="docker.io", manner="mirrored"),
        Unit(subject="b", host="docker.io", manner="cache", parallel=4),
        Unit(subject="c", host="ghcr.io", manner="direct"),
    ]

    assert pull_plan.manifests_needed(units, "docker.io", 5) == 5 * 8 * (1 + 4)


def record() -> Record:
    made = Record()
    stand_in = Unit(subject="controller:2.5.2", host="ghcr.io", manner="direct")
    cached = Unit(subject="controller:2.5.2", host="ghcr.io", manner="cache")
    public = Unit(subject="controller:2.5.2", host="ghcr.io", manner="direct", public=True)
    peer = Unit(subject="controller:2.5.2", host="ghcr.io", manner="direct", tool="crane pull")
    for seconds in (4.0, 2.0, 3.0):
        traffic = Traffic(bytes=int(seconds) * 10**6, requests=9)
        made.add(stand_in, [Sample(state=COLD, seconds=seconds, traffic=traffic), Sample(state=WARM, seconds=0.1)])
        made.add(cached, [Sample(state=COLD, seconds=seconds, traffic=traffic, upstream=Traffic(bytes=5, requests=1))])
        made.add(public, [Sample(state=COLD, seconds=seconds)])
        made.add(peer, [Sample(state=COLD, seconds=seconds, traffic=traffic)])
    return made


def test_rows_say_what_was_measured_and_never_call_a_stand_in_by_the_real_name() -> None:
    rows = pull_plan.rows(record(), {"controller:2.5.2": {"digests": ["sha256:1"]}})
    by_name = {(row["registry"], row["manner"], row["state"]): row for row in rows}

    cold = by_name["ghcr.io stand-in", "direct", COLD]
    assert cold["samples"] == [4.0, 2.0, 3.0]
    assert (cold["median"], cold["low"], cold["high"], cold["spread"]) == (3.0, 2.0, 4.0, 2.0)
    assert (cold["bytes"], cold["requests"], cold["digests"], cold["provider"]) == (3e6, 9.0, ["sha256:1"], "kind")
    assert by_name["ghcr.io stand-in", "cache", COLD]["upstream_bytes"] == 5
    assert by_name["ghcr.io", "direct", COLD]["bytes"] is None
    assert by_name["ghcr.io stand-in", "crane pull", COLD]["provider"] == ""
    assert by_name["ghcr.io stand-in", "direct", WARM]["bytes"] is None


def test_the_report_can_draw_the_rows() -> None:
    drawn = picture(PullRow.model_validate(row) for row in pull_plan.rows(record(), {}))

    assert "controller" in drawn
    assert drawn.count("stand-in") >= 4


def test_the_table_shows_a_dash_where_no_log_was() -> None:
    console = Console(width=200, record=True)
    console.print(pull_plan.table(pull_plan.rows(record(), {}), "pulls"))

    said = console.export_text()
    assert "2.00 to 4.00" in said
    assert "–" in said
    assert "crane pull" in said


def test_an_outcome_with_fewer_rounds_than_asked_does_not_hold(tmp_path: Path) -> None:
    document = {"rows": pull_plan.rows(record(), {}), "rounds": 3, "seed": 1}
    outcome = pull.PullOutcome(document=document, rounds=5)
    outcome.write(tmp_path / "reports" / pull.FILE)

    assert not outcome.holds
    assert "5 rounds were requested, but the time limit was reached" in str(outcome)
    assert pull.PullOutcome(document=document, rounds=3).holds
    assert json.loads((tmp_path / "reports" / pull.FILE).read_text())["seed"] == 1


def test_snapshots_are_named_by_the_chain_of_layers() -> None:
    first, second, third = chain_ids(["sha256:" + "11" * 32, "sha256:" + "22" * 32, "sha256:" + "33" * 32])

    assert first == "sha256:" + "11" * 32
    # printf 'sha256:1111… sha256:2222…' | sha256sum
    assert second == "sha256:9932074217c35353d2e03a3f5a86549f7c67bfeb0ba53e23d69f4d4c8f7958f5"
    assert third not in (first, second)


class Execs:
    """A provider that only answers what a node would say."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.asked: list[list[str]] = []

    def node_exec(self, cluster: Cluster, node: str, argv: list[str], *, timeout: float = 60.0) -> Completed:
        self.asked.append(list(argv))
        status, said = self.answers.pop(0)
        return Completed(argv=tuple(argv), returncode=status, stdout=said, stderr="", seconds=0.0)


def made(folder: Path, execs: Execs) -> Node:
    environment = catalogue.load().environment("kind-1.34")
    cluster = Cluster(name="c", environment=environment, kubeconfig=folder / "k", nodes=("node",))
    return Node(provider=execs, cluster=cluster, hosts=folder / "certs.d", image="it")  # type: ignore[arg-type]


def test_a_node_asks_the_server_it_was_led_to_and_no_former_one(tmp_path: Path) -> None:
    node = made(tmp_path, Execs())
    node.lead({"ghcr.io": Mirror(url="http://10.0.0.1:1")})
    node.lead({"docker.io": Mirror(url="http://10.0.0.1:2")})

    files = {str(file.relative_to(node.hosts)) for file in node.hosts.rglob("hosts.toml")}
    assert files == {"docker.io/hosts.toml", "_default/hosts.toml"}
    node.lead({})
    assert list(node.hosts.rglob("*")) == []


def test_the_time_is_the_nodes_own(tmp_path: Path) -> None:
    execs = Execs((0, "1500000000\n"))

    assert made(tmp_path, execs).pull(["ghcr.io/a/b:1", "ghcr.io/a/c:1"]) == 1.5
    assert execs.asked[0][-2:] == ["ghcr.io/a/b:1", "ghcr.io/a/c:1"]


def probe() -> Pulled:
    return Pulled(
        repository="bench/probe-00",
        tag="1",
        digest="sha256:" + "aa" * 32,
        blobs=frozenset({"sha256:" + "aa" * 32, "sha256:" + "cc" * 32}),
        chains=frozenset({"sha256:" + "dd" * 32}),
        size=7,
    )


def looked(names: str = "", content: str = "", snapshots: str = "") -> tuple[int, str]:
    return 0, f"{names}\n{pull_node._MARK}\n{content}\n{pull_node._MARK}\nKEY PARENT KIND\n{snapshots}\n"


def test_all_names_of_an_image_go_and_its_content_is_waited_for(tmp_path: Path) -> None:
    ours = [
        "docker.io/bench/probe-00:1",
        "ghcr.io/bench/probe-00@sha256:" + "aa" * 32,
        "ghcr.io/bench/probe-00:one-layer-changed",
        "sha256:" + "cc" * 32,
    ]
    others = "registry.k8s.io/pause:3.10 ghcr.io/bench/probe-01:1 sha256:" + "ee" * 32
    execs = Execs(
        (0, "\n".join([*ours, *others.split()])),
        (0, ""),
        looked(others, content="sha256:" + "cc" * 32),
        looked(others, snapshots=f"sha256:{'dd' * 32} Committed"),
        looked(others, content="sha256:" + "ee" * 32),
    )

    made(tmp_path, execs).clear([probe()])

    assert execs.asked[1][3:] == ["images", "rm", "--sync", *ours]
    assert execs.answers == []


def test_content_that_stays_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_node, "_GONE_SECONDS", 0.1)
    execs = Execs((0, ""), *[looked(content="sha256:" + "cc" * 32)] * 9)

    with pytest.raises(HostError, match=r"keeps content of removed images: .*cccc"):
        made(tmp_path, execs).clear([probe()])


def test_an_image_with_another_digest_is_no_measurement(tmp_path: Path) -> None:
    execs = Execs((0, "[ghcr.io/bench/probe-00@sha256:" + "bb" * 32 + "]"))

    with pytest.raises(HarnessError, match=r"the node has ghcr\.io/bench/probe-00:1 as"):
        made(tmp_path, execs).require([probe()], "ghcr.io")


def test_an_early_end_is_no_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(pull, "run", ended)
    try:
        assert main(["pull"]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "interrupted" in capsys.readouterr().err


def test_the_command_line_refuses_what_cannot_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "--env", "k3d-1.34"]) == 2
    assert "not a kind environment" in capsys.readouterr().err
