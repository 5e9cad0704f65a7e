# SPDX-License-Identifier: Apache-2.0
"""Reads a checkout of the operator: that it is one, what is in it, and what git knows of it."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from harness import named_files, process
from harness.errors import CatalogueError, CommandError, ToolError, UsageError
from harness.foundry import operator, spark
from harness.under_test import mistaken

MAIN = "cmd/operator"
ENTRYPOINT = "entrypoint.sh"

_GIT_SECONDS = 60.0
# What no checkout has a use for in a build, where no git can say what is ignored.
_LEFT_OUT = frozenset({".git", "bin", "node_modules", "__pycache__"})
_REPLACED = re.compile(r"^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+(\.{1,2}/\S*|/\S+|\.{1,2})\s*(?://.*)?$", re.M)
"""A module that go.mod takes from a folder (go.dev/ref/mod, replace directive)."""
_CLOSED = re.compile(r"^warning: could not open directory '(?P<folder>.*?)/?': (?P<why>.*)$", re.M)
"""What git says of a folder that it cannot list (git 2.39, dir.c)."""
_GIVE = "give the folder of kubeflow/spark-operator, or of a fork of it, in which go.mod is"


@dataclass(frozen=True, kw_only=True)
class GitState:
    """What git knows of a checkout.

    `commit` is the one that is checked out; `changed` are files that differ from it, also new ones that git does not
    ignore; `diff` is the digest of all these differences, empty where there are none.
    """

    commit: str
    changed: tuple[str, ...] = ()
    diff: str = ""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A checkout. `files` are names below `folder`, sorted, and `sha256` is of these names and what is in them.

    `spark` is the Spark version of the image that its Dockerfile names. `git` is None where git knows nothing of it,
    and `git_says` then why, where there is a reason.
    """

    folder: Path
    files: tuple[str, ...] = field(repr=False)
    sha256: str
    spark: str
    git: GitState | None = None
    git_says: str = ""

    @property
    def chart(self) -> Path:
        """The folder of its chart."""
        return self.folder / operator.catalogue().chart_folder

    def copy(self, folder: Path) -> None:
        """Copy its files, as they were when they were read. Raises UsageError when they have changed since then."""
        for name in self.files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copy2(self.folder / name, target, follow_symlinks=False)
            except FileNotFoundError as gone:
                raise _changed(self.folder) from gone
        if sha256_of(folder, self.files) != self.sha256:
            raise _changed(self.folder)


def read(folder: Path) -> Tree:
    """The checkout in a folder. Raises UsageError for one that is none, or whose Spark the foundry does not have."""
    _require_operator(folder)
    version = _spark(folder)
    try:
        git, says = _git(folder)
        files = _files(folder, by_git=git is not None)
        _require_whole(folder, files)
        sha256 = sha256_of(folder, files)
    except OSError as closed:
        raise UsageError(
            f"--operator {folder}: {closed.filename} cannot be read: {closed.strerror}",
            "make it readable, or remove it",
        ) from closed
    return Tree(
        folder=folder.resolve(),
        files=files,
        sha256=sha256,
        spark=version,
        git=git,
        git_says=says,
    )


def sha256_of(folder: Path, files: Sequence[str]) -> str:
    """The SHA-256 of files: of their names, of whether they can be executed, and of what is in them."""
    whole = hashlib.sha256()
    for name in files:
        whole.update(f"{_line(folder / name)}  {name}\n".encode())
    return whole.hexdigest()


def _line(file: Path) -> str:
    if file.is_symlink():
        return f"link {file.readlink()}"
    mode = "x" if os.access(file, os.X_OK) else "-"
    with file.open("rb") as stream:
        return f"{mode} {hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _changed(folder: Path) -> UsageError:
    return UsageError(
        f"{folder} was changed while the run began", "run it again, and leave the checkout alone until then"
    )


def _require_operator(folder: Path) -> None:
    """Raise UsageError for a folder that holds no operator."""
    if not folder.is_dir():
        raise UsageError(f"--operator {folder}: there is no such folder", _GIVE)
    go_mod = folder / "go.mod"
    if not go_mod.is_file():
        raise UsageError(
            f"--operator {folder}: it has no go.mod, so it is not a checkout of the operator",
            mistaken.of_folder(folder) or _GIVE,
        )
    module = re.search(r"^module\s+(\S+)", go_mod.read_text(errors="replace"), re.M)
    name = module[1] if module else "nameless"
    for missing in (it for it in _needed() if not (folder / it).is_file()):
        why, step = mistaken.of_chart(folder) if missing.endswith("Chart.yaml") else ("", "")
        if why:
            raise UsageError(f"--operator {folder}: it has no {missing}; {why}", step)
        raise UsageError(
            f"--operator {folder}: it has no {missing}, so the Go module {name} is not the Spark Operator", _GIVE
        )


def _needed() -> tuple[str, ...]:
    return f"{MAIN}/main.go", f"{operator.catalogue().chart_folder}/Chart.yaml", "go.sum"


def _require_whole(folder: Path, files: Sequence[str]) -> None:
    """Raise UsageError where what is built from these files alone would lack something that the checkout uses."""
    for ignored in sorted({"go.mod", *_needed()} - set(files)):
        raise UsageError(
            f"--operator {folder}: git ignores its {ignored}, and files that git ignores are not built",
            f"take it into git: git add --force {ignored}",
        )
    for module, place in _REPLACED.findall((folder / "go.mod").read_text(errors="replace")):
        if not (folder / place).resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"--operator {folder}: its go.mod replaces {module} by {place}, which is outside the checkout",
                "put it below the checkout, or give the image that you built: --operator IMAGE --chart DIR",
            )
    script = folder / ENTRYPOINT
    if script.is_file() and script.read_bytes().partition(b"\n")[0].endswith(b"\r"):
        raise UsageError(
            f"--operator {folder}: {ENTRYPOINT} has line ends of Windows, with which no container starts",
            f"check it out with others: git -c core.autocrlf=false checkout -- {ENTRYPOINT}",
        )


def _spark(folder: Path) -> str:
    """The Spark version that the Dockerfile names. Raises UsageError where the foundry has no row for it."""
    file = folder / "Dockerfile"
    said = operator.spark_of(file.read_text(errors="replace")) if file.is_file() else ""
    if not said:
        raise UsageError(
            f"{file} has no ARG SPARK_IMAGE with a version, which would say what Spark the image is built on",
            "add it, or give the image that you built: --operator IMAGE --chart DIR",
        )
    try:
        return spark.catalogue().row(said).version
    except CatalogueError as unknown:
        raise UsageError(
            f"{file} asks for Spark {said}, which the foundry cannot build: {unknown.message}; {unknown.next_step}",
            "add a [[spark]] row to charts/images/spark.toml, or give the image that you built: "
            "--operator IMAGE --chart DIR",
        ) from unknown


def _files(folder: Path, *, by_git: bool) -> tuple[str, ...]:
    """The names of all files below a folder: those that git knows or would add, or where it has no say, nearly all."""
    if by_git:
        listed = _call_git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        names = [name for name in listed if name and named_files.there(folder / name)]
        modules = [name for name in names if _is_folder(folder / name) and not name.endswith("/")]
        files = {name for name in names if not _is_folder(folder / name)}
        return tuple(sorted({*files, *(f"{it}/{name}" for it in modules for name in _in_submodule(folder / it))}))
    return tuple(sorted(_walk(folder)))


def _is_folder(path: Path) -> bool:
    """Whether git's entry is a folder: a submodule, of which it lists nothing, or with a slash at its end a repository
    of its own that lies in this one, such as another worktree.
    """
    return path.is_dir() and not path.is_symlink()


def _in_submodule(folder: Path) -> tuple[str, ...]:
    """The files of a submodule; none where it has not been fetched."""
    return _files(folder, by_git=(folder / ".git").exists())


def _walk(folder: Path) -> Iterator[str]:
    for above, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [it for it in folders if it not in _LEFT_OUT]
        for name in (*files, *(it for it in folders if (Path(above) / it).is_symlink())):
            file = Path(above) / name
            # Sockets and pipes are part of nothing that is built.
            if file.is_symlink() or file.is_file():
                yield file.relative_to(folder).as_posix()


def _refuse(closed: OSError) -> NoReturn:
    raise closed


def _git(folder: Path) -> tuple[GitState | None, str]:
    """What git knows of the folder; None, and why, where it knows nothing of its go.mod."""
    try:
        if not _call_git(folder, "ls-files", "--", "go.mod").strip():
            return None, ""
        commit = _call_git(folder, "rev-parse", "HEAD").strip()
        changed = _changed_files(folder)
        return GitState(commit=commit, changed=changed, diff=_diff(folder, changed)), ""
    except ToolError:
        return None, ""
    except CommandError as refused:
        said = refused.stderr.strip().partition("\n")[0]
        return None, "" if "not a git repository" in said else said


def _changed_files(folder: Path) -> tuple[str, ...]:
    tracked = _call_git(folder, "diff", "--name-only", "--relative", "-z", "HEAD", "--", ".")
    new = _call_git(folder, "ls-files", "-z", "--others", "--exclude-standard")
    return tuple(sorted({name for name in (*tracked.split("\0"), *new.split("\0")) if name}))


def _diff(folder: Path, changed: Sequence[str]) -> str:
    """The digest of what differs from the commit: of each file as it is, or that it is gone."""
    if not changed:
        return ""
    whole = hashlib.sha256()
    for name in changed:
        file = folder / name
        if _is_folder(file):
            inside = () if name.endswith("/") else _in_submodule(file)
            whole.update(f"{sha256_of(file, inside)}  {name}\n".encode())
            continue
        whole.update(f"{_line(file) if named_files.there(file) else 'gone'}  {name}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def _call_git(folder: Path, *words: str) -> str:
    # A repository's own configuration must not start a program of its own here.
    argv = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *words]
    done = process.call(argv, timeout=_GIT_SECONDS, env={"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"})
    if closed := _CLOSED.search(done.stderr):
        # git leaves out what is in it, and ends as if nothing were missing.
        raise PermissionError(errno.EACCES, closed["why"], str(folder / closed["folder"]))
    return done.stdout
