# SPDX-License-Identifier: Apache-2.0
"""The options of `harness run`, declared once for argparse and for pytest."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import settings
from harness.matrix.select import Selection
from harness.settings import SourceKind

SOURCES: tuple[SourceKind, ...] = ("upstream", "mirror", "foundry")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option; `arguments` are argparse's keyword arguments, which pytest's addoption takes as well."""

    flag: str
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def dest(self) -> str:
        """The attribute of the parsed options. The prefix keeps pytest's own options apart."""
        return "cells_" + self.flag.lstrip("-").replace("-", "_")


def _many(metavar: str, text: str) -> dict[str, Any]:
    return {"action": "append", "default": [], "metavar": metavar, "help": text}


SHARE = (
    Option(
        flag="--share",
        arguments={
            "action": "store_true",
            "default": False,
            "help": "let every user of this machine read the report (default: only you)",
        },
    ),
)

SELECTION_OPTIONS = (
    Option(
        flag="--cell",
        arguments=_many("ID", "one cell, by its id, such as kind-1.34/install-2.5.2/spark-pi (may be repeated)"),
    ),
    Option(flag="--env", arguments=_many("NAME", "environments, by name or glob (may be repeated)")),
    Option(flag="--path", arguments=_many("PATH", "paths, by name or glob, such as install-2.5.2 (may be repeated)")),
    Option(flag="--scenario", arguments=_many("NAME", "scenarios, by name or glob (may be repeated)")),
    Option(
        flag="--spark",
        arguments=_many("VERSION", "Spark versions of the applications, by name or glob (may be repeated)"),
    ),
    Option(flag="--tag", arguments=_many("TAG", "only cells with one of these tags (may be repeated)")),
)

RUN_OPTIONS = (
    Option(
        flag="--source",
        arguments={"choices": SOURCES, "default": None, "help": "where images come from (default: detected)"},
    ),
    Option(
        flag="--bootstrap",
        arguments={
            "action": "store_true",
            "default": False,
            "help": "build missing images during the run; cells that need none of them start at once",
        },
    ),
    Option(
        flag="--keep",
        arguments={
            "action": "store_true",
            "default": False,
            "help": "keep the clusters running and print how to reach them",
        },
    ),
    *SHARE,
    Option(
        flag="--jobs",
        arguments={"type": int, "default": None, "metavar": "N", "help": "clusters in parallel (default: 1)"},
    ),
    Option(
        flag="--repeat",
        arguments={
            "type": int,
            "default": 1,
            "metavar": "N",
            "help": "run every cell N times, each time on a fresh cluster",
        },
    ),
    Option(
        flag="--fresh",
        arguments={"action": "store_true", "default": False, "help": "give every cell a cluster of its own"},
    ),
    Option(
        flag="--values",
        arguments=_many(
            "FILE", "values for the operator's chart, or profile:NAME; merged last by Helm's rules (may be repeated)"
        ),
    ),
    Option(
        flag="--values-key",
        arguments={
            "default": None,
            "metavar": "KEY",
            "help": "where the files of --values are those of an umbrella chart: the key of the operator's values in "
            "them, such as spark-operator or platform.spark",
        },
    ),
    Option(
        flag="--exact-values",
        arguments={
            "action": "store_true",
            "default": False,
            "help": "give Helm the files of --values alone: without the run's namespaces and profile, and without "
            "creating what the values refer to",
        },
    ),
    Option(
        flag="--kubeconfig",
        arguments={
            "default": None,
            "metavar": "FILE",
            "help": "with --env existing: its kubeconfig, or several, separated by colons (default: kubectl's)",
        },
    ),
    Option(
        flag="--context",
        arguments={
            "default": None,
            "metavar": "NAME",
            "help": "with --env existing: a context of the kubeconfig (default: the current one)",
        },
    ),
    Option(
        flag="--yes",
        arguments={
            "action": "store_true",
            "default": False,
            "help": "with --env existing: do what the plan says without asking",
        },
    ),
    Option(
        flag="--allow-upgrade",
        arguments={
            "action": "store_true",
            "default": False,
            "help": "with --env existing: also upgrade and roll back the operator that the run itself installs",
        },
    ),
    Option(
        flag="--beside",
        arguments={
            "action": "store_true",
            "default": False,
            "help": "with --env existing: install although the cluster has other operators; their CRDs and namespaces "
            "stay untouched",
        },
    ),
    Option(
        flag="--release-name",
        arguments={"default": None, "metavar": "NAME", "help": "the Helm release's name (default: spark-operator)"},
    ),
    Option(
        flag="--namespace",
        arguments={
            "default": None,
            "metavar": "NAME",
            "help": "the namespace that the operator is installed in (default: spark-operator)",
        },
    ),
    Option(
        flag="--before",
        arguments={
            "default": None,
            "metavar": "DIR",
            "help": "a folder with manifests to apply before the operator is installed: namespaces with labels, "
            "quotas, policies, CRDs, PriorityClasses",
        },
    ),
    Option(
        flag="--apps",
        arguments={
            "default": None,
            "metavar": "DIR",
            "help": "a folder with YAML files of your SparkApplications, ScheduledSparkApplications and SparkConnects, "
            "which the scenario user-apps runs, also across an upgrade",
        },
    ),
    Option(
        flag="--operator",
        arguments={
            "default": None,
            "metavar": "DIR|IMAGE",
            "help": "an operator that nobody has published, as release dev or the pre-release that a path names: a "
            "checkout, or with --chart an image in the container engine, in an archive or in a registry",
        },
    ),
    Option(
        flag="--chart",
        arguments={
            "default": None,
            "metavar": "CHART",
            "help": "another chart for the release: a .tgz, a folder, an oci:// reference or a repository's URL; with "
            "--operator IMAGE the chart that belongs to it, a .tgz or a folder",
        },
    ),
    Option(
        flag="--seed",
        arguments={
            "type": int,
            "default": None,
            "metavar": "N",
            "help": "seed for the names and phrases that a run generates (default: random)",
        },
    ),
    Option(
        flag="--lock",
        arguments={
            "default": None,
            "metavar": "LOCK",
            "help": "repeat an earlier run of a cell exactly: the digest of its lock, a lock file, an evidence "
            "folder or a bundle",
        },
    ),
    Option(
        flag="--drift",
        arguments={
            "action": "store_true",
            "default": False,
            "help": "with --lock: run even if inputs differ from the lock, and list the differences",
        },
    ),
    Option(
        flag="--config",
        arguments={
            "default": None,
            "metavar": "FILE",
            "help": "settings file (default: harness.toml in the current folder, the checkout or "
            "~/.config/spark-operator-harness)",
        },
    ),
)


OF_PYTEST = tuple(option for option in RUN_OPTIONS if option.flag != "--kubeconfig")
"""What pytest is told: pytest-kind, which it loads by itself where nobody keeps it from that, has an option of that
name. `harness run` hands on what it has understood."""

CONFIG = tuple(option for option in RUN_OPTIONS if option.flag == "--config")
"""For commands that run nothing."""

Command = Callable[[Any, str, Any, str], argparse.ArgumentParser]
"""Adds a subcommand, given the parent's subparsers, its name, the function that runs it, and its help."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command line asks for."""

    selection: Selection = field(default_factory=Selection)
    source: SourceKind | None = None
    bootstrap: bool = False
    keep: bool = False
    share: bool = False
    jobs: int | None = None
    repeat: int = 1
    fresh: bool = False
    values: tuple[Path, ...] = ()
    values_key: str | None = None
    exact_values: bool = False
    kubeconfig: str | None = None
    context: str | None = None
    yes: bool = False
    allow_upgrade: bool = False
    beside: bool = False
    release_name: str | None = None
    namespace: str | None = None
    before: Path | None = None
    apps: Path | None = None
    operator: str | None = None
    chart: str | None = None
    seed: int | None = None
    lock: str | None = None
    drift: bool = False
    config: Path | None = None


def declare(add: Callable[..., Any], options: Sequence[Option]) -> None:
    """Declare options with argparse's add_argument or pytest's addoption."""
    for option in options:
        add(option.flag, dest=option.dest, **option.arguments)


def read(parsed: argparse.Namespace | Any) -> RunOptions:
    """The parsed options as a Request."""

    def get(flag: str, otherwise: Any = None) -> Any:
        return getattr(parsed, Option(flag=flag).dest, otherwise)

    return RunOptions(
        selection=Selection(
            cells=tuple(get("--cell", [])),
            environments=tuple(get("--env", [])),
            paths=tuple(get("--path", [])),
            scenarios=tuple(get("--scenario", [])),
            spark=tuple(get("--spark", [])),
            tags=tuple(get("--tag", [])),
        ),
        source=get("--source"),
        bootstrap=bool(get("--bootstrap", False)),
        keep=bool(get("--keep", False)),
        share=bool(get("--share", False)),
        jobs=get("--jobs"),
        repeat=get("--repeat", 1),
        fresh=bool(get("--fresh", False)),
        values=tuple(Path(file) for file in get("--values", [])),
        values_key=get("--values-key"),
        exact_values=bool(get("--exact-values", False)),
        kubeconfig=get("--kubeconfig"),
        context=get("--context"),
        yes=bool(get("--yes", False)),
        allow_upgrade=bool(get("--allow-upgrade", False)),
        beside=bool(get("--beside", False)),
        release_name=get("--release-name"),
        namespace=get("--namespace"),
        before=Path(get("--before")) if get("--before") else None,
        apps=Path(get("--apps")) if get("--apps") else None,
        operator=get("--operator"),
        chart=get("--chart"),
        seed=get("--seed"),
        lock=get("--lock"),
        drift=bool(get("--drift", False)),
        config=Path(get("--config")) if get("--config") else None,
    )


def settings_of(parsed: argparse.Namespace) -> settings.Settings:
    """The settings, read from the file that --config names. Raises SettingsError."""
    return settings.load(file=read(parsed).config)


def words(options: RunOptions) -> list[str]:
    """The options as command-line arguments, for another process or a reader."""
    found: list[str] = []
    many = {
        "--cell": options.selection.cells,
        "--env": options.selection.environments,
        "--path": options.selection.paths,
        "--scenario": options.selection.scenarios,
        "--spark": options.selection.spark,
        "--tag": options.selection.tags,
        "--values": tuple(str(file) for file in options.values),
    }
    for flag, values in many.items():
        for value in values:
            found += [flag, value]
    one: dict[str, object] = {
        "--source": options.source,
        "--jobs": options.jobs,
        "--values-key": options.values_key,
        "--kubeconfig": options.kubeconfig,
        "--context": options.context,
        "--release-name": options.release_name,
        "--namespace": options.namespace,
        "--before": options.before,
        "--apps": options.apps,
        "--operator": options.operator,
        "--chart": options.chart,
        "--seed": options.seed,
        "--lock": options.lock,
        "--config": options.config,
    }
    for flag, single in one.items():
        if single is not None:
            found += [flag, str(single)]
    switches = {
        "--bootstrap": options.bootstrap,
        "--yes": options.yes,
        "--allow-upgrade": options.allow_upgrade,
        "--beside": options.beside,
        "--keep": options.keep,
        "--share": options.share,
        "--exact-values": options.exact_values,
        "--fresh": options.fresh,
        "--drift": options.drift,
    }
    found += [flag for flag, on in switches.items() if on]
    if options.repeat != 1:
        found += ["--repeat", str(options.repeat)]
    return found
