# SPDX-License-Identifier: Apache-2.0
"""The chart of a release: from the Helm repository, an OCI reference, a file or folder, or the foundry.

Whatever the origin, the result is a chart on this disk with its hash, so that an install cannot differ from its report.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
import threading
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from filelock import FileLock

from harness import causes, libyaml, process
from harness.errors import CommandError, CommandTimeout, PullError, UnavailableError, UsageError
from harness.images.mirrors import Mirror, MirrorMap, named_below
from harness.kube import pull_messages
from harness.matrix.release import ChartSource, Release
from harness.releases import chart_files
from harness.untrusted import check_yaml

CHART_NAME = "spark-operator"

_PULL_SECONDS = 60.0
_OR_A_FILE = "or pass a chart folder or .tgz"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart on this disk.

    `path` is a folder or a .tgz; `sha256` is of what the chart holds, the same for a folder and the .tgz that Helm
    packs from it; `reference` is what it was asked for by; `metadata` is Chart.yaml.
    """

    path: Path
    reference: str
    name: str
    version: str
    app_version: str
    origin: ChartSource
    sha256: str
    metadata: Mapping[str, Any] = field(repr=False)


def from_path(path: Path, *, origin: ChartSource = ChartSource.FILE, reference: str = "") -> Chart:
    """A chart folder or .tgz. Raises UsageError when it is not a chart, and when one that a user names is missing;
    UnavailableError when another is.
    """
    if not path.exists():
        error = UsageError if origin is ChartSource.FILE else UnavailableError
        # A path has no two slashes.
        scheme, slash, rest = str(path).partition(":/")
        pull = f", for example of `helm pull {scheme}://{rest.lstrip('/')} --version VERSION`" if slash else ""
        raise error(f"the chart {path} does not exist", f"give the path of a chart folder or .tgz{pull}")
    metadata = _metadata(path)
    for key in ("apiVersion", "name", "version"):
        if not isinstance(metadata.get(key, ""), str | int | float):
            raise UsageError(f"{path}: Chart.yaml: {key} is not text", "give the path of a complete chart")
    missing = [key for key in ("apiVersion", "name", "version") if not metadata.get(key)]
    if missing:
        raise UsageError(f"{path}: Chart.yaml has no {', '.join(missing)}", "give the path of a complete chart")
    return Chart(
        path=path.resolve(),
        reference=reference or str(path),
        name=str(metadata["name"]),
        version=str(metadata["version"]),
        app_version=str(metadata.get("appVersion", "")),
        origin=origin,
        sha256=_sha256(path, metadata),
        metadata=metadata,
    )


def from_repository(helm: Path, url: str, version: str, folder: Path, *, name: str = CHART_NAME) -> Chart:
    """Pull a chart from a Helm repository into `folder`; one that is there already is not pulled again.

    Raises UnavailableError with the repository's answer, PullError where it could not be asked.
    """
    target = folder / _safe(url) / f"{name}-{version}.tgz"
    argv = ["pull", name, "--repo", url, "--version", version]
    _pull(helm, argv, target, what=f"the chart {name} {version} from {url}", env={})
    return from_path(target, origin=ChartSource.HELM_REPOSITORY, reference=f"{url.rstrip('/')}/{target.name}")


def from_oci(helm: Path, reference: str, version: str, folder: Path, *, mirrors: MirrorMap | None = None) -> Chart:
    """Pull a chart by its OCI reference (`oci://host/path/name`), through the host's mirror when there is one.

    Raises UnavailableError with the registry's answer, PullError where it could not be asked.
    """
    host, path = _oci_parts(reference)
    mirror = mirrors.mirrors.get(host) if mirrors else None
    target = folder / _safe(reference) / f"{path.rsplit('/', 1)[-1]}-{version}.tgz"
    what = f"the chart {reference}:{version}" + (f" (through the mirror {mirror.reachable_url})" if mirror else "")
    with tempfile.TemporaryDirectory() as scratch:
        address, argv, env = _through(mirror, host, path, Path(scratch)) if mirror else (f"{host}/{path}", [], {})
        if not mirror and host.split(":")[0] in ("localhost", "127.0.0.1"):
            argv = ["--plain-http"]
        _pull(helm, ["pull", f"oci://{address}", "--version", version, *argv], target, what=what, env=env)
    return from_path(target, origin=ChartSource.OCI, reference=f"{reference}:{version}")


def for_release(release: Release, helm: Path, folder: Path, *, mirrors: MirrorMap | None = None) -> Chart:
    """The chart that upstream published for a release: from its Helm repository, else by OCI.

    With a mirror for the OCI registry only that is asked. Raises UnavailableError with every answer, PullError where
    one of them is nothing about the chart.
    """
    refusals: list[UnavailableError | PullError] = []
    mirrored = bool(release.chart_oci and mirrors and _oci_parts(release.chart_oci)[0] in mirrors.mirrors)
    if release.chart_repository and not mirrored:
        try:
            return from_repository(helm, release.chart_repository, release.version, folder)
        except (UnavailableError, PullError) as refused:
            refusals.append(refused)
    if release.chart_oci:
        try:
            return from_oci(helm, release.chart_oci, release.version, folder, mirrors=mirrors)
        except (UnavailableError, PullError) as refused:
            refusals.append(refused)
    said = "\n".join(it.message for it in refusals) or "its row names neither chart_repository nor chart_oci"
    raised = PullError if any(isinstance(it, PullError) for it in refusals) else UnavailableError
    raise raised(
        f"there is no chart for release {release.version}:\n{said}",
        "pass a chart folder or .tgz, use --source foundry, or see that the address can be reached from here",
    )


def find(wanted: str, release: Release, helm: Path, folder: Path, *, mirrors: MirrorMap | None = None) -> Chart:
    """The chart that a user names: `oci://…`, a repository's `https://…`, or the path of a folder or .tgz."""
    if wanted.startswith("oci://"):
        if "@" in wanted:
            raise UsageError(
                f"{wanted}: a chart is asked for by its version", "write it as oci://host/path/name:version"
            )
        reference, _, version = wanted.removeprefix("oci://").rpartition(":")
        if reference and "/" not in version:
            return from_oci(helm, f"oci://{reference}", version, folder, mirrors=mirrors)
        return from_oci(helm, wanted, release.version, folder, mirrors=mirrors)
    if wanted.startswith(("http://", "https://")):
        return from_repository(helm, wanted, release.version, folder)
    return from_path(Path(wanted))


def pack(chart: Chart, target: Path) -> None:
    """Write the chart as a .tgz, whatever it is here. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        if chart.path.is_file():
            shutil.copyfile(chart.path, draft)
        else:
            with tarfile.open(draft, "w:gz") as archive:
                for name, content in sorted(chart_files.files(chart.path)):
                    member = tarfile.TarInfo(f"{chart.name}/{name}")
                    member.size = len(content)
                    member.mode = 0o644
                    archive.addfile(member, io.BytesIO(content))
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _pull(helm: Path, argv: list[str], target: Path, *, what: str, env: Mapping[str, str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if target.is_file():
            return
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            try:
                process.call([helm, *argv, "--destination", scratch], timeout=_PULL_SECONDS, env=env)
            except CommandError as failed:
                said = f"pulling {what} failed: {causes.told(failed.stderr or failed.message)}"
                if _kept_away(failed):
                    raise PullError(said, f"see what keeps this machine from there, {_OR_A_FILE}") from failed
                raise UnavailableError(said, f"check the version and the address, {_OR_A_FILE}") from failed
            pulled = next(Path(scratch).glob("*.tgz"), None)
            if pulled is None:
                raise UnavailableError(f"pulling {what} brought no .tgz", "check the address")
            pulled.rename(target)


_NOTHING_THERE = re.compile(r"failed to fetch \S+ : (404|410) ")
"""Helm's words (pkg/getter/httpgetter.go) for an index or a chart that the server of a repository does not have."""


def _kept_away(failed: CommandError) -> bool:
    """Whether Helm says nothing of the chart, but of the way to it: a network, a proxy, a certificate, a registry."""
    if isinstance(failed, CommandTimeout):
        return True
    if _NOTHING_THERE.search(failed.stderr):
        return False
    found = pull_messages.read(failed.stderr)
    return found.is_recognised and not found.is_releases_fault


def _through(mirror: Mirror, host: str, path: str, scratch: Path) -> tuple[str, list[str], dict[str, str]]:
    """Address, options and environment of a pull through a mirror; credentials go into a file, never into argv."""
    url = urlsplit(mirror.reachable_url)
    argv = ["--plain-http"] if url.scheme == "http" else []
    if mirror.ca:
        argv += ["--ca-file", str(mirror.ca)]
    env = {}
    if mirror.username:
        login = f"{mirror.username}:{mirror.password.get_secret_value()}"
        auths = {"auths": {url.netloc: {"auth": b64encode(login.encode()).decode()}}}
        file = scratch / "registry.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(auths))
        env["HELM_REGISTRY_CONFIG"] = str(file)
    return f"{named_below(mirror.reachable_url)}/{path}", argv, env


def _oci_parts(reference: str) -> tuple[str, str]:
    host, _, path = reference.removeprefix("oci://").partition("/")
    if not reference.startswith("oci://") or not host or not path:
        raise UsageError(f"{reference!r} is not an OCI reference of a chart", "write it as oci://host/path/name")
    return host, path


def _metadata(path: Path) -> dict[str, Any]:
    if path.name == "Chart.yaml" and path.is_file():
        raise UsageError(f"{path} is a file of a chart", f"give the folder that it is in: {path.parent}")
    text = chart_files.text(path, "Chart.yaml")
    if text is None:
        below = next(iter(sorted(path.glob("charts/*/Chart.yaml"))), None) if path.is_dir() else None
        step = f"give the folder of the chart: {below.parent}" if below else "give the path of a chart folder or .tgz"
        raise UsageError(f"{path} has no Chart.yaml", step)
    try:
        data = yaml.load(check_yaml(text), Loader=libyaml.Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as broken:
        raise UsageError(f"{path}: Chart.yaml is not valid YAML: {broken}", "correct it") from broken
    if not isinstance(data, dict):
        raise UsageError(f"{path}: Chart.yaml is not a mapping", "give the path of a complete chart")
    return data


def _sha256(path: Path, metadata: Mapping[str, Any]) -> str:
    """The hash of names and contents, in whatever form the chart lies here.

    `helm package` writes Chart.yaml anew (pkg/chart/v2/util/save.go), so that it counts as data and not as text; it
    leaves out .helmignore, and archives differ in times, owners and compression.
    """
    digest = hashlib.sha256()
    for name, content in sorted(chart_files.files(path)):
        if name == "Chart.yaml":
            content = json.dumps(metadata, sort_keys=True, default=str).encode()
        if name != ".helmignore":
            digest.update(f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode())
    return digest.hexdigest()


def _safe(address: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "_", address.split("://", 1)[-1]).strip("_")
