# SPDX-License-Identifier: Apache-2.0
"""What the admission of others said of pods that are not there: only the log of who asked for them tells.

For executors that is the driver, and for Connect servers the operator.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.apps.logs import pod_log
from harness.apps.pods import SparkPod, by_role
from harness.errors import ApiError, ApiServerAway
from harness.kube import others
from harness.kube.api import listed

if TYPE_CHECKING:
    from collections.abc import Iterator


def of_executors(core: Any, namespace: str, pods: Sequence[SparkPod]) -> list[str]:
    """What the drivers among these pods that still run say of their executors. Raises ApiServerAway."""
    return _in_logs(core, namespace, [it.name for it in by_role(pods, "driver") if it.phase == "Running"])


def of_servers(core: Any, namespace: str, operators: str) -> list[str]:
    """What the operator, in its namespace, says of pods that it wanted in `namespace`. Raises ApiServerAway."""
    pods: list[str] = []
    with _if_possible():
        pods = [it["metadata"]["name"] for it in listed(core.list_namespaced_pod, operators)]
    # Namespaces and applications are called alike, and some begin as others do.
    named = re.compile(rf"(?<![\w.-]){re.escape(namespace)}(?![\w.-])")
    return [line for line in _in_logs(core, operators, pods) if named.search(line)]


def _in_logs(core: Any, namespace: str, pods: Iterable[str]) -> list[str]:
    lines: list[str] = []
    for pod in pods:
        with _if_possible():
            lines += others.in_log(pod_log(core, namespace, pod))
    return list(dict.fromkeys(lines))


@contextmanager
def _if_possible() -> Iterator[None]:
    """Do without what a guest in a cluster may not read, or what a kubelet does not give."""
    try:
        yield
    except ApiServerAway:
        raise
    except ApiError:
        pass
