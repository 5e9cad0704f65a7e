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
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness import causes, named_files, process
from harness.errors import ApiServerAway, CommandTimeout, ToolError, UsageError

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
_NEVER = datetime.min.replace(tzinfo=UTC)
_AGAIN_SECONDS = 30.0
"""A plugin whose logins are refused is asked for another one no more often than this."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a plugin gave: a token, or a client certificate with its key in PEM, or both."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    until: datetime | None = None


@dataclass
class _Asked:
    """What became of one question to a plugin: the last login, and the last error. `lock` is for changing it.

    `at` and `again_at` are when it failed, and when it was last asked since a login was refused (time.monotonic).
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    given: Login | None = None
    fresh_until: datetime = _NEVER
    error: UsageError | None = None
    at: float = 0.0
    again_at: float = -_AGAIN_SECONDS

    def is_due(self, refused: Login | None) -> bool:
        """Whether another login is wanted than that which was given last."""
        if self.fresh_until <= datetime.now(UTC):
            return True
        if refused is None or refused != self.given or time.monotonic() - self.again_at < _AGAIN_SECONDS:
            return False
        self.again_at = time.monotonic()
        return True

    def run(self, plugin: _Plugin) -> Login:
        """Ask, and remember what came of it."""
        try:
            made = plugin.run()
        except UsageError as error:
            self.error, self.at = error, time.monotonic()
            raise
        now = datetime.now(UTC)
        # What holds for less than a minute is used for half of that time.
        holds = max(made.until - now - _EARLY, (made.until - now) / 2) if made.until else _KEPT
        self.given, self.fresh_until = made, now + holds
        return made


_asked: defaultdict[str, _Asked] = defaultdict(_Asked)
_guard = threading.Lock()


def login(
    entry: Mapping[str, Any],
    cluster: Mapping[str, Any],
    *,
    context: str,
    folder: Path | None = None,
    refused: Login | None = None,
) -> Login:
    """The login that the plugin of a kubeconfig's user gives; one that still holds is not asked for again.

    `entry` is the user's `exec`, `cluster` the cluster's entry, and `folder` that of the kubeconfig, from which paths
    are. `refused` is a login that the API server does not take any more, in the place of which another one is wanted.
    Safe to use from several threads. Raises UsageError for a plugin that gives no login, and ApiServerAway for one that
    gave some before: that may pass, as an API server that is away may come back.
    """
    plugin = _Plugin(entry, cluster, context, folder)
    with _guard:
        asked = _asked[plugin.asked()]
    began = time.monotonic()
    with asked.lock:
        if asked.given and not asked.is_due(refused):
            return asked.given
        try:
            if asked.error and asked.at >= began:
                # Those who waited for an answer meanwhile do not wait as long again, each of them.
                raise asked.error
            return asked.run(plugin)
        except UsageError as error:
            if asked.given is None:
                raise
            if asked.given != refused and (asked.given.until or _NEVER) > datetime.now(UTC):
                return asked.given
            raise ApiServerAway(error.message, error.next_step, reason=error.message) from error


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
        self._program()

    def _program(self) -> str:
        """Its path. A PATH of `env` is for the plugin itself: Go looks for a program in that of its own process."""
        if not self._command:
            raise self._error("has no command", "kubectl config view --minify shows it")
        found = shutil.which(self._command)
        if not found:
            hint = " ".join(str(self._entry.get("installHint") or "").split())
            raise self._error("is not installed", hint or f"install it, so that {self._by_hand} works")
        return found

    def run(self) -> Login:
        """Run it, and read what it prints."""
        program = self._program()
        if not self._version:
            raise self._error("has no apiVersion", "kubectl config view --minify shows it")
        if self._entry.get("interactiveMode") == "Always":
            raise self._error(
                "wants to ask somebody (interactiveMode: Always), and the harness has nobody to ask",
                "take a context whose login needs no answers, such as one with a token",
            )
        try:
            done = process.call([program, *self._arguments], timeout=PLUGIN_SECONDS, env=self._env, check=False)
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
            read = named_files.content((folder or Path()) / str(file))
            made["certificate-authority-data"] = base64.b64encode(read).decode()
    extensions = cluster.get("extensions") or ()
    config = next((it.get("extension") for it in extensions if it.get("name") == _EXTENSION), None)
    return {**made, "config": config} if config is not None else made
