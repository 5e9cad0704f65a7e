# SPDX-License-Identifier: Apache-2.0
"""kubectl as ways call it, with errors that say what to do next."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import causes, process
from harness.errors import ClusterError, CommandError, CommandTimeout, ReleaseError
from harness.releases.ways.protocol import On

_AWAY = re.compile(r"connection refused|no route to host|etcdserver|i/o timeout|unable to connect to the server", re.I)
SET_CONTEXT = ("config", "set-context", "--current", "--namespace")
_LOCAL_SECONDS = 30.0
_ADVICE = {
    r"field is immutable": "delete that object first, and apply again",
    r"Apply failed with \d+ conflict": "another field manager has these fields: --force-conflicts takes them from it",
    r"forbidden": "the kubeconfig's user lacks a right",
    r"no matches for kind": "a CustomResourceDefinition is missing: apply the CRDs first",
}


def call(
    on: On,
    *words: str | Path,
    timeout: float,
    stdin: str = "",
    stop: threading.Event | None = None,
    kubeconfig: Path | None = None,
) -> str:
    """What kubectl says to these words, on the cluster, or by another `kubeconfig`. Raises ReleaseError with its words,
    ClusterError when the API server is away, CommandTimeout.
    """
    argv = [on.programs.kubectl, "--kubeconfig", kubeconfig or on.cluster.kubeconfig, *words]
    try:
        return process.call(argv, stdin=stdin or None, timeout=timeout, stop=stop).stdout
    except CommandTimeout:
        raise
    except CommandError as failed:
        raise _explained(words, failed) from failed


def apply(on: On, manifests: str, *flags: str, timeout: float, stop: threading.Event | None = None) -> str:
    """`kubectl apply` of these manifests. Raises as `call` does."""
    return call(on, "apply", *flags, "--filename", "-", stdin=manifests, timeout=timeout, stop=stop)


@contextmanager
def in_namespace(on: On, namespace: str) -> Iterator[Path]:
    """A kubeconfig with this namespace for what names none, as `kubectl config set-context` makes it.

    --namespace would be refused beside objects of other namespaces. Raises as `call` does.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "kubeconfig"
        shutil.copyfile(on.cluster.kubeconfig, copy)
        copy.chmod(0o600)
        call(on, *SET_CONTEXT, namespace, timeout=_LOCAL_SECONDS, kubeconfig=copy)
        yield copy


def _explained(words: Sequence[str | Path], failed: CommandError) -> ReleaseError | ClusterError:
    whole = _without_warnings(failed.stderr) or failed.message
    doing = f"kubectl {words[0]}"
    if _AWAY.search(whole):
        return ClusterError(f"{doing}: the API server did not answer: {causes.told(whole)}", "see the node's logs")
    advice = next((it for pattern, it in _ADVICE.items() if re.search(pattern, whole)), "see what kubectl says")
    # kubectl goes on after an object that is refused: all of what it says belongs to it.
    return ReleaseError(f"{doing} failed: {whole}", advice)


def _without_warnings(said: str) -> str:
    return "\n".join(line for line in said.splitlines() if not line.startswith("Warning: ")).strip()
