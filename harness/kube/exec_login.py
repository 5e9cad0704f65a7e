# SPDX-License-Identifier: Apache-2.0
"""Logins that a program gives, as a kubeconfig has it (`exec`): asked for with a time limit, and kept while they hold.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import threading
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness import causes, process
from harness.errors import CommandTimeout, ToolError, UsageError

PLUGIN_SECONDS = 60.0
"""How long a plugin may take: it asks a service for a token, and must not wait for somebody."""

_KIND = "ExecCredential"
_EXTENSION = "client.authentication.k8s.io/exec"
_OF_CLUSTER = (
    *("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url"),
    "disable-compression",
)
# A login that does not say how long it holds is asked for again after this time.
_KEPT = timedelta(seconds=60)
# A request may take this long from here to the API server.
_EARLY = timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a plugin gave: a token, or a client certificate with its key in PEM, or both."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    until: datetime | None = None


_kept: dict[str, tuple[Login, datetime]] = {}
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_guard = threading.Lock()


def login(entry: Mapping[str, Any], cluster: Mapping[str, Any], *, context: str, folder: Path | None = None) -> Login:
    """The login that the plugin of a kubeconfig's user gives; one that still holds is not asked for again.

    `entry` is the user's `exec`, `cluster` the cluster's entry, and `folder` that of the kubeconfig, from which paths
    are. Safe to use from several threads. Raises UsageError for a plugin that gives no login.
    """
    plugin = _Plugin(entry, cluster, context, folder)
    asked = plugin.asked()
    with _guard:
        lock = _locks[asked]
    with lock:
        kept = _kept.get(asked)
        if kept is None or kept[1] <= datetime.now(UTC):
            made = plugin.run()
            now = datetime.now(UTC)
            # What holds for less than a minute is used for half of that time.
            holds = max(made.until - now - _EARLY, (made.until - now) / 2) if made.until else _KEPT
            kept = _kept[asked] = (made, now + holds)
        return kept[0]


def require(entry: Mapping[str, Any], context: str) -> None:
    """Raise UsageError where the plugin is not installed."""
    _Plugin(entry, {}, context, None).require()


class _Plugin:
    """A program, and what it is asked."""

    def __init__(self, entry: Mapping[str, Any], cluster: Mapping[str, Any], context: str, folder: Path | None) -> None:
        self._entry = entry
        self._context = context
        self._version = str(entry.get("apiVersion") or "")
        command = str(entry.get("command") or "")
        if folder and os.sep in command:
            # client-go, tools/clientcmd, GetExecCommandPath
            command = str(folder.absolute() / command)
        self._command = command
        self._arguments = tuple(str(it) for it in entry.get("args") or ())
        spec: dict[str, Any] = {"interactive": False}
        if entry.get("provideClusterInfo"):
            spec["cluster"] = _told(cluster, folder)
        info = {"apiVersion": self._version, "kind": _KIND, "spec": spec}
        given = {str(it["name"]): str(it.get("value") or "") for it in entry.get("env") or () if it.get("name")}
        self._env = {**given, "KUBERNETES_EXEC_INFO": json.dumps(info)}

    def asked(self) -> str:
        """All that the answer may depend on."""
        return json.dumps([self._command, self._arguments, self._env, self._context])

    def require(self) -> None:
        """Raise UsageError where the program is not there."""
        path = self._env.get("PATH")
        if not self._command:
            raise self._error("has no command", "kubectl config view --minify shows it")
        if not shutil.which(self._command, path=path):
            hint = " ".join(str(self._entry.get("installHint") or "").split())
            raise self._error("is not installed", hint or f"install it, so that {self._by_hand} works")

    def run(self) -> Login:
        """Run it, and read what it prints."""
        self.require()
        if not self._version:
            raise self._error("has no apiVersion", "kubectl config view --minify shows it")
        if self._entry.get("interactiveMode") == "Always":
            raise self._error(
                "wants to ask somebody (interactiveMode: Always), and the harness has nobody to ask",
                "take a context whose login needs no answers, such as one with a token",
            )
        try:
            done = process.call([self._command, *self._arguments], timeout=PLUGIN_SECONDS, env=self._env, check=False)
        except CommandTimeout as late:
            raise self._error(
                f"did not answer within {PLUGIN_SECONDS:.0f} s{_said(late.stderr)}",
                f"see whether {self._by_hand} works",
            ) from late
        except ToolError as unable:
            raise self._error(f"cannot be run: {unable.message}", unable.next_step) from unable
        if done.returncode != 0:
            raise self._error(
                f"exited with status {done.returncode}{_said(done.stderr)}",
                f"log in again as you do for kubectl, until {self._by_hand} works",
            )
        return self._read(done.stdout, done.stderr)

    def _read(self, printed: str, beside: str) -> Login:
        if not printed.strip():
            raise self._error(f"printed nothing{_said(beside)}", f"see whether {self._by_hand} works")
        try:
            answer = json.loads(printed)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or answer.get("kind") != _KIND:
            raise self._error(f"printed something that is no {_KIND}", f"see whether {self._by_hand} works")
        if answer.get("apiVersion") != self._version:
            raise self._error(
                f"answered in {answer.get('apiVersion')}, and the kubeconfig asks for {self._version}",
                "change apiVersion of its exec in the kubeconfig, or take another version of the plugin",
            )
        status = answer.get("status")
        status = status if isinstance(status, dict) else {}
        made = Login(
            token=str(status.get("token") or ""),
            certificate=str(status.get("clientCertificateData") or ""),
            key=str(status.get("clientKeyData") or ""),
            until=self._until(status.get("expirationTimestamp")),
        )
        if bool(made.certificate) != bool(made.key) or not (made.token or made.certificate):
            raise self._error("gave no login", f"see whether {self._by_hand} works")
        if made.until and made.until <= datetime.now(UTC):
            raise self._error(
                f"gave a login that expired on {made.until:%Y-%m-%d %H:%M} UTC",
                "log in again as you do for kubectl, and see whether the clock of this machine is right",
            )
        return made

    def _until(self, text: object) -> datetime | None:
        if not text:
            return None
        try:
            found = datetime.fromisoformat(str(text))
        except ValueError:
            raise self._error(
                f"says that its login holds until {str(text)[:40]!r}, which is no time",
                f"see what {self._by_hand} says",
            ) from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    @property
    def _by_hand(self) -> str:
        return f"`kubectl --context {self._context} version`"

    def _error(self, what: str, step: str) -> UsageError:
        named = str(self._entry.get("command") or "")
        return UsageError(f"the login plugin {named} of context {self._context} {what}", step)


def _said(stderr: str) -> str:
    """Why, as the plugin says it; empty where it says nothing."""
    lines = stderr.strip().splitlines()
    cause = causes.cause(stderr) or (lines[-1].strip() if lines else "")
    return f": {cause}" if cause else ""


def _told(cluster: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """The cluster as a plugin is told of it (client-go, pkg/apis/clientauthentication/v1, Cluster)."""
    made = {key: cluster[key] for key in _OF_CLUSTER if cluster.get(key)}
    file = cluster.get("certificate-authority")
    if file and "certificate-authority-data" not in made:
        # Whoever reads the kubeconfig for itself tells of a file that is not there.
        with suppress(OSError):
            read = ((folder or Path()) / str(file)).read_bytes()
            made["certificate-authority-data"] = base64.b64encode(read).decode()
    extensions = cluster.get("extensions") or ()
    config = next((it.get("extension") for it in extensions if it.get("name") == _EXTENSION), None)
    return {**made, "config": config} if config is not None else made
