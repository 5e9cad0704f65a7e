# SPDX-License-Identifier: Apache-2.0
"""Where a run installs the operator: the Helm release's name and its namespace, the user's own where they say so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import UsageError
from harness.kube.well_known import OWN_NAMESPACES
from harness.releases.namespaces import CHECK_NAMESPACE

RELEASE_NAME = "spark-operator"
OPERATOR_NAMESPACE = "spark-operator"

_RELEASE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_RELEASE_LENGTH = 53
"""Helm's rule (pkg/chartutil/validate_name.go), since it makes names of objects of it."""

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_NAMESPACE_LENGTH = 63


@dataclass(frozen=True, kw_only=True)
class Home:
    """Name and namespace of a Helm release."""

    name: str = RELEASE_NAME
    namespace: str = OPERATOR_NAMESPACE


def require_namespace(namespace: str, shown: str) -> None:
    """Raise UsageError for what cannot be the name of a namespace; `shown` says what it is and where."""
    if not _NAMESPACE.fullmatch(namespace) or len(namespace) > _NAMESPACE_LENGTH:
        raise UsageError(
            f"{shown} cannot be the name of a namespace",
            f"give lower-case letters, digits and '-', at most {_NAMESPACE_LENGTH} characters",
        )


def home(name: str | None, namespace: str | None, taken: Iterable[str] = ()) -> Home:
    """The user's choice, completed by the defaults. `taken` are namespaces that cells use for themselves.

    Raises UsageError for what Kubernetes or Helm would not take, and for a namespace that is taken.
    """
    if name is not None and (not _RELEASE.fullmatch(name) or len(name) > _RELEASE_LENGTH):
        raise UsageError(
            f"--release-name {name!r} cannot be the name of a Helm release",
            f"give lower-case letters, digits, '-' and '.', at most {_RELEASE_LENGTH} characters",
        )
    if namespace is not None:
        require_namespace(namespace, f"--namespace {namespace!r}")
        if namespace in (*OWN_NAMESPACES, CHECK_NAMESPACE, *taken):
            raise UsageError(
                f"--namespace {namespace} belongs to Kubernetes, or is one that the cells of this run use",
                "give another one for the operator",
            )
    return Home(name=name or RELEASE_NAME, namespace=namespace or OPERATOR_NAMESPACE)
