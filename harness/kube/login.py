# SPDX-License-Identifier: Apache-2.0
"""Connects to a cluster by a context of one or several kubeconfigs, as kubectl finds them, and proves the login."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from harness import libyaml, named_files
from harness.errors import ApiError, ApiServerAway, ClusterError, UsageError
from harness.home import expanded
from harness.kube import exec_login, loading
from harness.kube.api import client_for, get
from harness.late import client, config, x509
from harness.untrusted import check_yaml

_DEFAULT = "~/.kube/config"


@dataclass(frozen=True, kw_only=True)
class Access:
    """A context with its cluster and its login. `kubeconfig` is one that has nothing else, and needs no other file."""

    context: str
    server: str = ""
    kubeconfig: Mapping[str, Any] = field(default_factory=dict, repr=False)


@contextmanager
def connected(kubeconfig: str, context: str) -> Iterator[tuple[client.ApiClient, str]]:
    """A client that is logged in, and the name of the context. Empty: what kubectl takes, of each.

    Raises as `access` and `logged_in` do.
    """
    found = access(kubeconfig, context)
    with logged_in(found) as api:
        yield api, found.context


def access(kubeconfig: str, context: str) -> Access:
    """The context of that name in one or several kubeconfigs (with colons between them); empty as kubectl has it.

    Raises UsageError for files that cannot be read, for a context that there is not, and for a login plugin that is not
    installed.
    """
    shown = kubeconfig or os.environ.get("KUBECONFIG", "") or _DEFAULT
    found, first = _merged(shown)
    name = context or first
    user = _user(found, name, shown)
    chosen = next(it for it in found["contexts"] if it["name"] == name)
    inner = chosen.get("context") or {}
    own = {
        "clusters": [it for it in found["clusters"] if it["name"] == inner.get("cluster")],
        "users": [it for it in found["users"] if it["name"] == inner.get("user")],
    }
    if not own["clusters"]:
        raise UsageError(
            f"the context {name} of {shown} names the cluster {inner.get('cluster')}, which is not there",
            "kubectl config view --minify shows it",
        )
    # The namespace of the context is where its user works, and none of a run's business.
    context_alone = {"name": name, "context": {key: it for key, it in inner.items() if key != "namespace"}}
    whole = {**found, **own, "contexts": [context_alone], "current-context": name}
    server = str((own["clusters"][0].get("cluster") or {}).get("server") or "")
    _require_usable(name, inner, own, server)
    if plugin := user.get("exec"):
        exec_login.require(plugin, name)
    return Access(context=name, server=server, kubeconfig=whole)


def _require_usable(name: str, context: Mapping[str, Any], own: Mapping[str, list[Any]], server: str) -> None:
    """Refuse what kubectl refuses, and the Kubernetes client would pass over."""
    problem = ""
    provider = next(((it.get("user") or {}).get("auth-provider") for it in own["users"]), None) or {}
    if context.get("user") and not own["users"]:
        problem = f"it names the user {context['user']}, which is not there"
    elif not _is_address(server):
        problem = f"its server is {server!r}, and must be an address with https://"
    elif provider and provider.get("name") != "oidc":
        problem = f"Kubernetes 1.26 gave up the auth-provider {provider.get('name')!r}: it needs a login plugin (exec)"
    for entry in (*own["clusters"], *own["users"]):
        inner = entry.get("cluster") or entry.get("user") or {}
        problem = problem or _wrong_kind(inner) or _wrong_plugin(inner.get("exec") or {})
        problem = problem or next((f"its {it} is not PEM in base64" for it in _DATA if not _is_pem(inner.get(it))), "")
    if problem:
        raise UsageError(f"the context {name} cannot be used: {problem}", "kubectl config view --minify shows it")


_TEXTS = (
    *("server", "tls-server-name", "proxy-url", "certificate-authority", "certificate-authority-data"),
    *("client-certificate", "client-certificate-data", "client-key", "client-key-data"),
    *("token", "tokenFile", "username", "password"),
)
_SWITCHES = ("insecure-skip-tls-verify", "disable-compression")
_OTHERS = ("as", "as-uid", "as-groups", "as-user-extra")
"""By which kubectl acts as somebody else. The Kubernetes client for Python (config/kube_config.py) ignores them."""


def _wrong_kind(inner: Mapping[str, Any]) -> str:
    """What is no text or no switch and has to be one (client-go, tools/clientcmd/api/v1/types.go), in words; its value
    may be a secret.
    """
    for key in _SWITCHES:
        if not isinstance(inner.get(key), bool | None):
            return f"its {key} is {inner[key]!r}, and must be true or false without quotes"
    for key in _TEXTS:
        if not isinstance(inner.get(key), str | None):
            return f"its {key} is not text: write it in quotes"
    for key in _OTHERS:
        if inner.get(key):
            return f"its user acts as another one ({key}), which this command cannot: give a context without that"
    return ""


_DATA = ("certificate-authority-data", "client-certificate-data", "client-key-data")


def _is_address(server: str) -> bool:
    try:
        found = urlsplit(server)
        return found.scheme in ("https", "http") and bool(found.hostname) and found.port != 0
    except ValueError:
        # A port that is none
        return False


def _is_pem(text: object) -> bool:
    try:
        decoded = base64.b64decode("".join(str(text or "").split()), validate=True)
    except ValueError:
        return False
    return not text or b"-----BEGIN" in decoded


@contextmanager
def logged_in(found: Access) -> Iterator[client.ApiClient]:
    """A client that is logged in. Raises UsageError for a login that cannot be used, ClusterError where the server does
    not answer or does not accept the login.
    """
    name = found.context
    configuration = client.Configuration()
    try:
        with _quiet():
            loading.from_document(configuration, dict(found.kubeconfig), name)
    except (config.ConfigException, OSError, ValueError, KeyError, TypeError) as unusable:
        raise UsageError(
            f"the context {name} cannot be used: {unusable}", "kubectl config view --minify shows it"
        ) from unusable
    with client_for(configuration) as api:
        _prove(api, found)
        yield api


def _prove(api: client.ApiClient, found: Access) -> None:
    name = found.context
    try:
        get(api, "/apis")
    except ApiServerAway as away:
        raise ClusterError(
            f"the cluster of context {name} does not answer: {away.reason}", f"kubectl --context {name} version"
        ) from away
    except ApiError as refused:
        if refused.status == 401:
            why = _expired(found) or "it may have expired"
            raise ClusterError(
                f"the cluster of context {name} does not accept the login (401): {why}",
                "log in again as you do for kubectl, then repeat the command",
            ) from refused
        raise ClusterError(
            f"the cluster of context {name} refused the first request: {refused.brief}",
            f"kubectl --context {name} auth whoami",
        ) from refused


def _expired(found: Access) -> str:
    """That the client certificate has expired, and when; empty where there is none, or it has not."""
    user = next((it.get("user") or {} for it in found.kubeconfig["users"]), {})
    try:
        data = base64.b64decode(user.get("client-certificate-data") or "")
        pem = data or named_files.content(Path(user.get("client-certificate") or ""))
        until = x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except (OSError, ValueError):
        return ""
    return f"its client certificate expired on {until:%Y-%m-%d %H:%M} UTC" if until < datetime.now(UTC) else ""


def _merged(paths: str) -> tuple[dict[str, Any], str]:
    """The kubeconfigs as one, and the current context: of each name the first counts, as kubectl does it.

    (client-go, tools/clientcmd/loader.go: a file that is missing or empty is passed over, and an entry that has only a
    name is an empty one.)
    """
    merged: dict[str, list[Any]] = {"clusters": [], "contexts": [], "users": []}
    current, read = "", 0
    for text in filter(None, paths.split(os.pathsep)):
        file = expanded(Path(text))
        if not file.exists():
            continue
        data = _file(file)
        read += 1
        current = current or str(data.get("current-context") or "")
        for part, entries in merged.items():
            names = {it["name"] for it in entries}
            new = [it for it in data.get(part) or [] if isinstance(it, dict) and it.get("name") not in names]
            kind = part.removesuffix("s")
            entries += [_absolute({**it, kind: it.get(kind) or {}}, file.parent) for it in new]
    if not read:
        raise UsageError(f"no kubeconfig: {paths} does not exist", "give --kubeconfig, or set KUBECONFIG")
    whole = {"apiVersion": "v1", "kind": "Config", **merged, "current-context": current}
    return whole, current


def _file(file: Path) -> dict[str, Any]:
    try:
        data = yaml.load(check_yaml(named_files.text(file)), Loader=libyaml.Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as broken:
        raise UsageError(f"the kubeconfig {file} cannot be read: {broken}", "kubectl config view") from broken
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UsageError(f"{file} is not a kubeconfig", "give the path of a kubeconfig")
    if not isinstance(data.get("current-context"), str | None):
        raise UsageError(f"{file} is not a kubeconfig: current-context is not text", "kubectl config view")
    for part in ("clusters", "contexts", "users"):
        wrong = next((it for it in _list(data.get(part)) if not _is_entry(it, part.removesuffix("s"))), None)
        if wrong is not None or not isinstance(data.get(part), list | None):
            raise UsageError(
                f"{file} is not a kubeconfig: {part} is not a list of names, each with a mapping called "
                f"{part.removesuffix('s')}",
                "kubectl config view",
            )
    return data


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_entry(entry: object, part: str) -> bool:
    """Whether this is a named cluster, context or user, with mappings where its login is."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        return False
    inner = entry.get(part) or {}
    return isinstance(inner, Mapping) and all(
        isinstance(inner.get(it), Mapping | None) for it in ("exec", "auth-provider")
    )


def _wrong_plugin(entry: Mapping[str, Any]) -> str:
    """What of a login plugin is of another type than client-go takes (types.go, ExecConfig), in words."""
    arguments, variables = entry.get("args") or [], entry.get("env") or []
    if not isinstance(entry.get("command"), str | None):
        return "the command of its login plugin is not text"
    if not isinstance(arguments, list) or not all(isinstance(it, str) for it in arguments):
        return "the args of its login plugin are not a list of texts: write each in quotes"
    if not isinstance(variables, list) or not all(
        isinstance(it, Mapping) and all(isinstance(it.get(key), str) for key in ("name", "value")) for it in variables
    ):
        return "the env of its login plugin is not a list of name and value, both of them text"
    return ""


_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _absolute(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """An entry whose files are named from the root: they are relative to their own kubeconfig."""
    made = dict(entry)
    for part in ("cluster", "user"):
        inner = made.get(part)
        if isinstance(inner, dict):
            paths = {key: str(folder.absolute() / inner[key]) for key in _FILES if isinstance(inner.get(key), str)}
            made[part] = {**inner, **paths}
    plugin = (made.get("user") or {}).get("exec") if isinstance(made.get("user"), dict) else None
    # A plugin that is named by a path is looked for from its kubeconfig (client-go, clientcmd, GetExecCommandPath).
    if isinstance(plugin, dict) and os.sep in str(plugin.get("command") or ""):
        made["user"] = {**made["user"], "exec": {**plugin, "command": str(folder.absolute() / plugin["command"])}}
    return made


def _user(found: Mapping[str, Any], name: str, shown: str) -> dict[str, Any]:
    contexts = {it["name"]: it.get("context") or {} for it in found["contexts"]}
    if not contexts:
        raise UsageError(
            f"{shown} has no contexts", "give another kubeconfig; `kubectl config get-contexts` lists them"
        )
    known = ", ".join(contexts)
    if not name:
        raise UsageError(f"{shown} has no current context", f"give --context; the contexts are: {known}")
    if name not in contexts:
        raise UsageError(f"there is no context {name!r} in {shown}", f"give --context; the contexts are: {known}")
    for key in ("cluster", "user"):
        if not isinstance(contexts[name].get(key), str | None):
            raise UsageError(f"the context {name} cannot be used: its {key} is not text", "write it in quotes")
    users = {it["name"]: it.get("user") or {} for it in found["users"]}
    user = users.get(contexts[name].get("user"), {})
    return user if isinstance(user, dict) else {}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the library logs: what went wrong with a plugin is told by this module."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(before)
