# SPDX-License-Identifier: Apache-2.0
"""Sessions of the project; each is a thin call of the `harness` command, of pytest or of a linter."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "tests"]

# Long enough for a run to remove its clusters after Ctrl-C; nox's own grace is a fraction of a second.
_GRACE = {"interrupt_timeout": 120.0, "terminate_timeout": 120.0}

# What an environment is made from. When one of them changes, it is installed again.
_INSTALLED_FROM = ("requirements.lock", "pyproject.toml")

_TEST_FOLDERS = ("tests", "tests/unit", "tests/integration", "tests/e2e")

# What Python compiles is kept, away from the sources, also where the environment forbids to write it beside them, as
# many images with Python do: else each of the many processes compiles again all that it imports. And pip installs into
# the session's environment, also for people whose pip.conf says `user = true`.
_ENVIRONMENT: dict[str, str | None] = {
    "PIP_USER": "0",
    "PYTHONDONTWRITEBYTECODE": None,
    "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", str(Path(".nox", "bytecode").absolute())),
}

# Keeps the theme's notice about its successor out of the log; docs/dependencies.md has what it says.
_MKDOCS = {"NO_MKDOCS_2_WARNING": "1"}


@nox.session
def bootstrap(session: nox.Session) -> None:
    """Make this host able to run: container engine, kind, Helm, kubectl, images for the default cells."""
    _install(session, "run")
    # Where cells are run next, what only later ones need is built while the first ones run.
    first = ["--first"] if _asked_for("e2e") else []
    session.run("harness", "bootstrap", *first, *session.posargs, **_GRACE)


@nox.session(default=False)
def e2e(session: nox.Session) -> None:
    """Run cells on real clusters; options go after `--`."""
    _install(session, "run")
    rest = ["--bootstrap"] if _asked_for("bootstrap") else []
    session.run("harness", "run", *rest, *session.posargs, **_GRACE)


@nox.session
def tests(session: nox.Session) -> None:
    """Unit and integration tests: real Helm, real registry, no cluster; `-- -m ''` adds those of every night."""
    _install(session, "run", "dev", "docs")
    # Half of the time they wait: for registries, containers and programs.
    workers = 2 * (os.cpu_count() or 1)
    session.run("pytest", "-n", str(workers), "--dist", "loadgroup", "-m", "not nightly", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, workflows and documentation."""
    _install(session, "run", "dev", "docs")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-logo")
    session.run("deptry", "harness")
    # What only development needs may be imported here; modules beside a test are found by its folder.
    session.run("deptry", "--exclude", "^$", "--ignore", "DEP002,DEP004", *_TEST_FOLDERS)
    session.run("mypy")
    # A folder at a time: the modules of a folder import each other by plain names, which another folder may have too.
    for folder in _TEST_FOLDERS[1:]:
        session.run("mypy", folder)
    session.run("mypy", "tests/report_gallery.py", ".ci/requirements.py")
    session.run("shellcheck", *_shell_scripts())
    session.run("harness", "workflow", "--check")
    session.run(
        "harness", "tool", "actionlint", "--", "-color", *map(str, sorted(Path(".github/workflows").glob("*.yml")))
    )
    _build_docs(session, Path(session.create_tmp()) / "site")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation into docs-site/, where dead links are errors; `-- serve` shows it while it is written."""
    _install(session, "docs")
    if session.posargs:
        session.run("mkdocs", *session.posargs, env=_MKDOCS)
    else:
        _build_docs(session, Path("docs-site"))


@nox.session(default=False)
def matrix(session: nox.Session) -> None:
    """List the cells, as a table or as JSON."""
    _install(session, "run")
    session.run("harness", "matrix", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure: `-- smoke` (against work by hand), `-- matrix` (cells one by one), and more; `-- --help` lists all."""
    _install(session, "run")
    session.run("python", "-m", "harness.bench", *session.posargs, **_GRACE)


@nox.session(default=False)
def verdicts(session: nox.Session) -> None:
    """Plant faults and harmless changes on real operators: only the faults may be reported, and each must be."""
    _install(session, "run")
    session.run("python", "-m", "harness.bench", "verdicts", *session.posargs, **_GRACE)


@nox.session(default=False)
def repeat(session: nox.Session) -> None:
    """Run the default selection again and again, `-- --times 20`: a cell's verdict must not depend on luck."""
    _install(session, "run")
    session.run("python", "-m", "harness.bench", "repeat", *session.posargs, **_GRACE)


@nox.session(name="rehearse-upstream", default=False)
def rehearse_upstream(session: nox.Session) -> None:
    """Run everything from the public registries, by their names, in a small internet on this machine; needs root."""
    _install(session, "run")
    session.run("harness", "internet", *session.posargs, **_GRACE)


@nox.session(default=False)
def clean(session: nox.Session) -> None:
    """Remove everything that the harness ever made on this host, and prove it."""
    _install(session, "run")
    session.run("harness", "clean", *session.posargs, **_GRACE)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write requirements.lock from pyproject.toml; `-- --upgrade` takes the newest of what is not pinned there."""
    _install(session, "lock")
    session.run("python", ".ci/requirements.py", "lock", "--", *session.posargs)


def _build_docs(session: nox.Session, folder: Path) -> None:
    """Build the site; every warning is an error."""
    session.run("mkdocs", "build", "--strict", "--site-dir", str(folder), env=_MKDOCS)


def _asked_for(session: str) -> bool:
    """Whether nox was called for this session, too: `nox -s bootstrap e2e`. NOXSESSION does not count."""
    words = sys.argv[: sys.argv.index("--")] if "--" in sys.argv else sys.argv
    return session in words


def _shell_scripts() -> list[str]:
    """Every file of the repository that a shell runs."""
    folders = ("clusters/nodes/rootfs", "charts/images", ".ci", "findings")
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return [
        str(path)
        for path in files
        if path.read_bytes().startswith((b"#!/bin/bash", b"#!/bin/sh", b"#!/usr/bin/env bash"))
    ]


def _install(session: nox.Session, *purposes: str) -> None:
    """Install what requirements.lock has for these purposes and, for `run`, the checkout, unless up to date.

    With --no-venv everything is expected to be there: .ci/run calls all sessions in one environment.
    """
    session.env.update(_ENVIRONMENT)
    if session.venv_backend == "none":
        return
    inputs = [" ".join(purposes).encode(), *(Path(file).read_bytes() for file in _INSTALLED_FROM)]
    wanted = hashlib.sha256(b"\n".join(inputs)).hexdigest()
    stamp = Path(session.virtualenv.location) / "installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    requirements = Path(session.create_tmp()) / "requirements.txt"
    # Not `run`, which --install-only leaves out.
    select = ("python", ".ci/requirements.py", "select", *purposes)
    requirements.write_text(str(session.run_install(*select, silent=True)))
    # Compiling all modules would take as long as all the rest; Python compiles those that are imported.
    session.install("--no-compile", "--require-hashes", "-r", str(requirements))
    if "run" in purposes:
        session.install("--no-deps", "--no-build-isolation", "-e", ".")
    stamp.write_text(wanted)
