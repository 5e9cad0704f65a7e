# SPDX-License-Identifier: Apache-2.0
"""Debian packages: finds missing ones and installs them with apt."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import CommandError, HostError
from harness.host.steps import Progress
from harness.process import call

_POLICY = Path("/usr/sbin/policy-rc.d")
_NO_STARTS = "#!/bin/sh\n# of spark-operator-harness, while it installs packages\nexit 101\n"
_QUERY_TIMEOUT = 120.0
"""Generous: a JVM that only tells its version took 30 s on a host with far too much to do."""
_UPDATE_TIMEOUT = 300.0
_INSTALL_TIMEOUT = 900.0
_BUILD_PACKAGES = (
    *("gcc", "libc6-dev", "libseccomp-dev", "pkg-config", "mmdebstrap", "ca-certificates", "debian-archive-keyring"),
)
_TRUSTED = Path("/etc/apt/trusted.gpg.d")
_FIELDS = ("Package", "Version", "SHA256")
_JDKS = ("openjdk-17-jdk-headless", "openjdk-21-jdk-headless")
_JDK_SINCE = 17


def can_install() -> bool:
    """Whether this process may install Debian packages: it is root, and apt is there."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def systemd_runs() -> bool:
    """Whether systemd is this host's init (see sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def missing(names: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed; all of them where there is no dpkg."""
    if shutil.which("dpkg-query") is None:
        return list(names)
    listing = call(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *names],
        timeout=_QUERY_TIMEOUT,
        check=False,
    )
    installed = {
        name
        for name, _, status in (line.partition(" ") for line in listing.stdout.splitlines())
        if status == "installed"
    }
    return [name for name in names if name not in installed]


def install(names: Sequence[str], *, log_file: Path, progress: Progress) -> None:
    """Install packages with apt, without recommended ones; installed packages are not changed.

    What came onto the host is noted beside the log, `<log>.json`: each package with its version and SHA-256.
    The package lists are fetched only when apt does not know a name or its files have gone from the mirror.
    Raises HostError that names the packages and the log.
    """
    if not names:
        return
    wanted = " ".join(names)
    before = _installed()
    with _no_service_starts():
        try:
            if _known(names):
                progress(f"installing {wanted}")
                try:
                    _apt_install(names, log_file)
                    _note(_installed() - before, log_file.with_suffix(".json"))
                    return
                except CommandError:
                    progress("the package lists are out of date")
            progress("fetching the package lists")
            call(_apt("update"), timeout=_UPDATE_TIMEOUT, log_file=log_file)
            progress(f"installing {wanted}")
            _apt_install(names, log_file)
            _note(_installed() - before, log_file.with_suffix(".json"))
        except CommandError as error:
            raise HostError(
                f"installing the Debian packages {wanted} failed: {error.message}",
                f"see {log_file}, or install them manually: apt-get install {wanted}",
            ) from error


def missing_build_packages() -> list[str]:
    """The Debian packages that the foundry needs and that are not installed."""
    absent = missing(_BUILD_PACKAGES)
    if not any(_TRUSTED.glob("debian-archive*")):
        # As on Ubuntu: mmdebstrap names Debian's keys to apt itself, for which it compares keys with gpg.
        absent += missing(["gpg"])
    if javac_version() < _JDK_SINCE:
        absent += missing([_jdk()])
    return absent


def ensure_build_packages(*, log_file: Path, progress: Progress) -> list[str]:
    """Install what the foundry compiles with: a C compiler, libseccomp, mmdebstrap, a JDK.

    Returns the packages that were installed. Raises HostError that names them where they cannot be installed here.
    """
    absent = missing_build_packages()
    if absent and not can_install():
        raise HostError(
            f"the foundry cannot build here: the Debian packages {' '.join(absent)} are missing",
            f"on Debian or Ubuntu: sudo apt-get install {' '.join(absent)}; elsewhere use --source upstream or mirror",
        )
    install(absent, log_file=log_file, progress=progress)
    return absent


def javac_version() -> int:
    """The major version of the javac on PATH, 0 when there is none."""
    if shutil.which("javac") is None:
        return 0
    answer = call(["javac", "-version"], timeout=_QUERY_TIMEOUT, check=False)
    words = (answer.stdout + answer.stderr).split()
    major = words[1].split(".")[0] if len(words) > 1 and words[0] == "javac" else ""
    return int(major) if major.isdigit() else 0


def _jdk() -> str:
    """The oldest JDK that this distribution has; Debian 13 has no 17 any more."""
    return next((name for name in _JDKS if shutil.which("apt-cache") and _known([name])), _JDKS[0])


def _known(names: Sequence[str]) -> bool:
    shown = call(["apt-cache", "show", "--no-all-versions", *names], timeout=_QUERY_TIMEOUT, check=False)
    known = {line.removeprefix("Package: ") for line in shown.stdout.splitlines() if line.startswith("Package: ")}
    return known.issuperset(names)


def _installed() -> set[str]:
    """The installed packages, `name=version`."""
    form = "${binary:Package}=${Version} ${db:Status-Status}\n"
    listing = call(["dpkg-query", "--show", "--showformat", form], timeout=_QUERY_TIMEOUT, check=False)
    rows = (line.partition(" ") for line in listing.stdout.splitlines())
    return {package for package, _, status in rows if status == "installed"}


def _note(packages: set[str], file: Path) -> None:
    """Add what was installed to the record."""
    if not packages:
        return
    shown = call(["apt-cache", "show", *sorted(packages)], timeout=_QUERY_TIMEOUT, check=False)
    hashes = {}
    for paragraph in shown.stdout.split("\n\n"):
        fields = dict(re.findall(rf"^({'|'.join(_FIELDS)}): (.*)$", paragraph, re.M))
        if len(fields) == len(_FIELDS):
            hashes[fields["Package"], fields["Version"]] = fields["SHA256"]
    noted = json.loads(file.read_text()) if file.is_file() else []
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for package in sorted(packages):
        name, _, version = package.partition("=")
        sha256 = hashes.get((name.partition(":")[0], version), "")
        noted.append({"name": name, "version": version, "sha256": sha256, "installed": now})
    file.write_text(json.dumps(noted, indent=1) + "\n")


def _apt(*words: str) -> list[str]:
    return ["apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120", *words]


def _apt_install(names: Sequence[str], log_file: Path) -> None:
    call(
        _apt("install", "--no-install-recommends", *names),
        timeout=_INSTALL_TIMEOUT,
        env={"DEBIAN_FRONTEND": "noninteractive"},
        log_file=log_file,
    )


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep packages from starting their services on hosts without systemd.

    Debian's interface for that is the program policy-rc.d, which answers 101 for "not allowed"
    (/usr/share/doc/init-system-helpers/README.policy-rc.d.gz). One that exists is left alone.
    """
    # One of ours is what a killed bootstrap has left.
    ours = not systemd_runs() and (not _POLICY.exists() or _POLICY.read_text(errors="replace") == _NO_STARTS)
    if ours:
        _POLICY.write_text(_NO_STARTS)
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink(missing_ok=True)
