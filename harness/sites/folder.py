# SPDX-License-Identifier: Apache-2.0
"""The folder of a snapshot: made beside its place and renamed when it is whole, and read back."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from harness import libyaml, named_files
from harness.errors import HostError, UsageError
from harness.releases import crds
from harness.releases.values import at
from harness.sites import applications
from harness.sites.model import SCHEMA, Object, Site
from harness.untrusted import check_yaml, first_problem

SITE = "site.yaml"
README = "README.md"
CRDS, APPLICATIONS = "crds", "applications"

_TITLE = "# Snapshot of "
_AGAIN = "make it again: harness snapshot --context CONTEXT -o DIR"


@contextmanager
def made(target: Path) -> Iterator[Path]:
    """A folder that comes into its place when the block ends well, and goes without a trace when it does not.

    A snapshot that is there already is replaced. Raises UsageError for a place with something else in it, HostError
    where nothing can be written.
    """
    require_free(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as refused:
        raise HostError(f"{target} cannot be written: {refused.strerror}", "give another folder with -o") from refused
    before = os.umask(0o077)
    try:
        yield draft
        _replace(draft, target)
    finally:
        os.umask(before)
        shutil.rmtree(draft, ignore_errors=True)


def require_free(target: Path) -> None:
    """Raise UsageError for a place with something else in it than a snapshot."""
    begins = {SITE: "schema_version:", README: _TITLE}
    if os.path.lexists(target) and not named_files.is_own_folder(target, begins, (CRDS, APPLICATIONS)):
        raise UsageError(
            f"{target} is there already, and is not a snapshot, or has more in it", "give another folder with -o"
        )
    above = next(it for it in target.absolute().parents if named_files.there(it))
    if why := named_files.why_no_folder(above):
        raise UsageError(f"{target} cannot be a folder: {above}: {why}", "give another folder with -o")


def _replace(draft: Path, target: Path) -> None:
    old = draft.with_name(f"{draft.name}.old")
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def write(folder: Path, site: Site, crds: Mapping[str, Any]) -> None:
    """Write everything but the applications, which are there already."""
    _dump(folder / SITE, site.model_dump(mode="json"))
    (folder / CRDS).mkdir(exist_ok=True)
    for name, spec in crds.items():
        _dump(folder / CRDS / f"{name}.yaml", spec)
    (folder / README).write_text(_readme(site), encoding="utf-8")


def read(folder: Path) -> Site:
    """A snapshot. Raises UsageError for a folder that is none, for one of a newer version, and for a damaged one."""
    if not folder.is_dir():
        raise UsageError(
            f"the snapshot {folder} does not exist", "give the folder that `harness snapshot -o` has written"
        )
    file = folder / SITE
    try:
        data = yaml.load(check_yaml(named_files.text(file)), Loader=libyaml.Loader)  # noqa: S506  # a safe loader
    except FileNotFoundError as other:
        raise UsageError(f"{folder} is not a snapshot: it has no {SITE}", _AGAIN) from other
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as broken:
        raise UsageError(f"{file} cannot be read: {str(broken).splitlines()[0]}", _AGAIN) from broken
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise UsageError(f"{folder} is not a snapshot: {SITE} has no schema_version", _AGAIN)
    if version > SCHEMA:
        raise UsageError(
            f"{folder} is a snapshot of version {version}, made by harness {str(data.get('harness'))[:40]}; this one "
            f"reads versions up to {SCHEMA}",
            "use a newer harness, or make the snapshot again with this one",
        )
    try:
        return Site.model_validate(data)
    except ValidationError as invalid:
        raise UsageError(f"{file}: {first_problem(invalid)}", _AGAIN) from invalid


def stored(folder: Path, kind: str) -> Iterator[Object]:
    """The applications of a kind in a snapshot. Raises UsageError for a damaged file."""
    file = folder / APPLICATIONS / f"{kind}.yaml"
    if not file.is_file():
        return
    try:
        for number, it in enumerate(applications.read(file), 1):
            if it.get("kind") != kind or not isinstance(at(it, "metadata.name"), str):
                raise UsageError(f"{file}: object {number} is not of the kind {kind}, or has no name", _AGAIN)
            yield it
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as broken:
        raise UsageError(f"{file} cannot be read: {str(broken).splitlines()[0]}", _AGAIN) from broken


def crd(folder: Path, name: str) -> Mapping[str, Any] | None:
    """The spec of a CRD in a snapshot; None without it. Raises UsageError for a damaged file."""
    file = folder / CRDS / f"{name}.yaml"
    if not file.is_file():
        return None
    try:
        found = yaml.load(named_files.text(file), Loader=libyaml.Loader)  # noqa: S506  # a safe loader
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as broken:
        raise UsageError(f"{file} cannot be read: {str(broken).splitlines()[0]}", _AGAIN) from broken
    if lacking := crds.problem(found):
        raise UsageError(f"{file} is damaged: {lacking}", _AGAIN)
    return dict(found)


def _dump(file: Path, value: Any) -> None:
    with file.open("w", encoding="utf-8") as out:
        yaml.dump(value, out, Dumper=libyaml.Dumper, sort_keys=False, allow_unicode=True, width=120)


def _readme(site: Site) -> str:
    found = "\n".join(_found(site))
    unread = "\n".join(f"- {it.what}: {it.why}" + (f" (needs: {it.right})" if it.right else "") for it in site.unread)
    return f"""\
{_TITLE}{site.context or "a cluster"}

Made on {site.made} with harness {site.harness}, by reading alone. `harness advise --site DIR --to RELEASE` answers \
from it.

{found}

| file | what is in it |
| --- | --- |
| `{SITE}` | the cluster, the operator's Deployments and images, Helm releases with their values, GitOps objects, CRDs \
with their field managers, webhooks, PriorityClasses, namespaces with quotas, limits, network policies and pull \
secrets by name |
| `{CRDS}/` | the spec of each CRD of the operator, as it is in the cluster |
| `{APPLICATIONS}/` | one file a kind: names, specs and states of applications |

Secrets are not in here. `***` stands for values that are secret or look like it, and for every value of environment \
variables. Of pull secrets there are names and registries. ConfigMaps were not read. Of annotations, only those of \
tools are kept.

An image is named as its pod asks for it. `reported` and `digest` are what the node says, which is not always what \
runs: of two names of the same content a node reports the first in the alphabet, whoever pulled it.

## Not read

{unread or "Everything was read."}
"""


def _found(site: Site) -> Iterator[str]:
    yield f"- Kubernetes {site.cluster.version} ({site.cluster.distribution})"
    for release in site.releases:
        chart = f"{release.chart} {release.chart_version}"
        yield f"- Helm release {release.namespace}/{release.name}: {chart}, {release.status}"
    for it in site.installers:
        yield f"- {it.kind} {it.namespace}/{it.name} ({it.tool}): {it.source} {it.version}"
    for operator in site.operators:
        yield f"- {operator.role} {operator.namespace}/{operator.name}: {operator.image}"
    for kind in site.applications:
        states = ", ".join(f"{number} {state}" for state, number in kind.states.items())
        yield f"- {kind.count} {kind.kind}s, {kind.written} of them written" + (f": {states}" if states else "")
