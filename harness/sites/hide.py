# SPDX-License-Identifier: Apache-2.0
"""Hides what is secret, or looks like it, before it is kept: stricter than redaction, since a snapshot is handed on.

On top of the redactor of the project: everything below a name that says secret, and strings that look drawn at random.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from harness.redaction.redactor import MASK, Redactor
from harness.redaction.secret_names import is_harmless, is_secret

_TOKEN = re.compile(r"[A-Za-z0-9+_=~-]{24,}")
_HEX = re.compile(r"(?<![0-9A-Za-z:-])[0-9a-fA-F]{32,}(?![0-9A-Za-z-])")
_ENTROPY = 3.8
_ENVIRONMENT = re.compile(r"spark\.(executorEnv|kubernetes\.driverEnv|yarn\.appMasterEnv)\.")
_REFERENCES = frozenset(
    {"name", "key", "secretName", "secretType", "path", "optional", "namespace", "kind", "mountPath"}
    | {"defaultMode", "mode", "audience", "expirationSeconds"}
)
"""Fields of what refers to a secret: of volumes, variables, and projected tokens (core/v1, types.go)."""

_ALL_OF = frozenset({"data", "stringData", "envVars"})
"""What only tells its names: data of whatever kind, and variables that are written into a spec."""

_ANNOTATIONS = (
    "argocd.argoproj.io/",
    "helm.sh/",
    "helm.toolkit.fluxcd.io/",
    "kustomize.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "sparkoperator.k8s.io/",
)
"""The annotation of `kubectl apply`, with the whole object in it, secrets and all."""


def hide(value: Any) -> tuple[Any, tuple[str, ...]]:
    """A value without what is secret in it, and the JSON pointers (RFC 6901) of what was masked."""
    strict = _strict(value, "", hidden=False)
    masked, _ = Redactor().masked(strict)
    return masked, tuple(_masks(masked, value, ""))


def text(value: str) -> str:
    """A text without what is secret in it."""
    return MASK if _looks_drawn(value) else Redactor().text(value)


def kept_annotations(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Annotations of tools that matter here; of others nothing is kept, since anything can be in them."""
    given = metadata.get("annotations") or {}
    return {key: text(str(it)) for key, it in given.items() if key.startswith(_ANNOTATIONS)}


def _strict(value: Any, name: str, *, hidden: bool) -> Any:
    if isinstance(value, Mapping):
        below = hidden or is_secret(name)
        return {
            key: _all(it) if _is_all(str(key), it, name) else _strict(it, str(key), hidden=below)
            for key, it in value.items()
        }
    if isinstance(value, list | tuple):
        return [_strict(it, name, hidden=hidden) for it in value]
    if value is None or isinstance(value, bool):
        return value
    if hidden and name not in _REFERENCES and not is_harmless(str(value), name):
        return MASK
    return MASK if isinstance(value, str) and _looks_drawn(value) else value


def _is_all(key: str, value: Any, within: str) -> bool:
    """Whether a value is hidden whatever it looks like: data, and what an environment variable is set to."""
    if isinstance(value, Mapping):
        return key in _ALL_OF
    return (within == "env" and key == "value") or bool(_ENVIRONMENT.match(key))


def _all(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _all(it) for key, it in value.items()}
    return value if value in (None, "") else MASK


def _looks_drawn(value: str) -> bool:
    """Whether a part of a text looks like a key or a token: long, of several kinds of characters, without a pattern."""
    if any(set(found.lower()) - set("0") for found in _HEX.findall(value)) and "sha256" not in value:
        return True
    return any(_is_drawn(found) for found in _TOKEN.findall(value))


def _is_drawn(token: str) -> bool:
    kinds = (any(map(str.isdigit, token)), any(map(str.islower, token)), any(map(str.isupper, token)))
    if not all(kinds) or sum(map(str.isdigit, token)) < 2:
        return False
    counts = Counter(token)
    return -sum(n / len(token) * math.log2(n / len(token)) for n in counts.values()) >= _ENTROPY


def _masks(masked: Any, before: Any, pointer: str) -> Iterator[str]:
    """The places of what is a mask now and was none before."""
    if isinstance(masked, Mapping) and isinstance(before, Mapping):
        for key, it in masked.items():
            place = str(key).replace("~", "~0").replace("/", "~1")
            yield from _masks(it, before.get(key), f"{pointer}/{place}")
    elif isinstance(masked, list) and isinstance(before, list | tuple):
        for number, (it, other) in enumerate(zip(masked, before, strict=False)):
            yield from _masks(it, other, f"{pointer}/{number}")
    elif masked != before:
        yield pointer
