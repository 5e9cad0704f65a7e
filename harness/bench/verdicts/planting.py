# SPDX-License-Identifier: Apache-2.0
"""Plants a row's steps on a cluster, each with the way to undo it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from harness import causes
from harness.bench.site import Site
from harness.bench.verdicts.catalogue import Step
from harness.errors import ApiError, HarnessError
from harness.kube.api import get, send
from harness.kube.models import Container
from harness.waiting import until

Undo = Callable[[], None]

_SECONDS = 120.0
_JSON_PATCH = "application/json-patch+json"
_NODE_LIBRARY = """
set -e
pid() { crictl inspect --output go-template --template '{{.info.pid}}' "$(crictl ps --quiet --name "$1" | head -n 1)"; }
"""


def plant(on: Site, step: Step) -> Undo:
    """Do a step and wait for what it asks for; returns the way back. Raises HarnessError."""
    before = {it.uid for it in on.pods()}
    undo = _STEPS[step.do](on, step)
    try:
        _wait(on, step.wait, before)
    except HarnessError:
        undo()
        raise
    return undo


def in_node(on: Site, script: str) -> str:
    """Run a shell script in the node; `pid NAME` is there the process of a container. Raises HarnessError."""
    done = on.prepared.provider.node_exec(
        on.prepared.cluster, on.prepared.cluster.nodes[0], ["bash", "-c", _NODE_LIBRARY + script], timeout=_SECONDS
    )
    if done.returncode:
        raise HarnessError(f"the node's shell ended with {done.returncode}: {causes.told(done.stderr)}")
    return done.stdout


def remade(item: Mapping[str, Any]) -> dict[str, Any]:
    """An object as it can be created again."""
    kept = ("name", "namespace", "labels", "annotations")
    metadata = {key: item["metadata"][key] for key in kept if key in item["metadata"]}
    return {key: value for key, value in item.items() if key not in ("metadata", "status")} | {"metadata": metadata}


def _patch(on: Site, step: Step) -> Undo:
    with on.api() as api:
        before = get(api, step.at)
        send(api, "PATCH", step.at, list(step.change), content_type=_JSON_PATCH)
        # There and back is one change, too.
        if step.again:
            _wait(on, step.wait, ())
            send(api, "PATCH", step.at, list(step.again), content_type=_JSON_PATCH)
    return lambda: put_back(on, step.at, before)


def put_back(on: Site, path: str, before: Mapping[str, Any]) -> None:
    """Make an object what it was. Raises WaitTimeout."""

    def put() -> bool:
        with on.api() as api:
            version = get(api, path)["metadata"]["resourceVersion"]
            metadata = {**before["metadata"], "resourceVersion": version}
            metadata.pop("managedFields", None)
            send(api, "PUT", path, {**before, "metadata": metadata})
        return True

    until(put, what=f"{path} to be put back", timeout=30, ignore=(ApiError,))


def _create(on: Site, step: Step) -> Undo:
    path = f"{step.at}/{step.object['metadata']['name']}"
    with on.api() as api:
        send(api, "POST", step.at, step.object)
    return lambda: delete(on, path)


def _delete(on: Site, step: Step) -> Undo:
    with on.api() as api:
        before = get(api, step.at)
    delete(on, step.at)
    collection = step.at.rpartition("/")[0]

    def undo() -> None:
        with on.api() as api:
            send(api, "POST", collection, remade(before))

    return undo


def delete(on: Site, path: str) -> None:
    """Delete an object with what it owns, and wait until it is gone. Raises ApiError, WaitTimeout."""

    def gone() -> bool:
        with on.api() as api:
            try:
                get(api, path)
            except ApiError as missing:
                if missing.status == 404:
                    return True
                raise
        return False

    with on.api() as api:
        try:
            send(api, "DELETE", path, {"propagationPolicy": "Background", "gracePeriodSeconds": 1})
        except ApiError as missing:
            if missing.status != 404:
                raise
    until(gone, what=f"{path} to be gone", timeout=_SECONDS)


def _node(on: Site, step: Step) -> Undo:
    in_node(on, step.run)

    def undo() -> None:
        if step.undo:
            in_node(on, step.undo)

    return undo


def _values(on: Site, step: Step) -> Undo:
    on.install(step.values)
    return on.install


def _act(on: Site, step: Step) -> Undo:
    # Late, since acts plant things themselves.
    from harness.bench.verdicts.acts import ACTS

    try:
        act = ACTS[step.act]
    except KeyError:
        raise HarnessError(f"there is no act {step.act!r}", f"the acts are: {', '.join(ACTS)}") from None
    return act(on)


_NOT_YET = ("", "ContainerCreating", "PodInitializing")

_STEPS: Mapping[str, Callable[[Site, Step], Undo]] = {
    "patch": _patch,
    "create": _create,
    "delete": _delete,
    "node": _node,
    "values": _values,
    "act": _act,
}


def _wait(on: Site, what: str, before: Collection[str]) -> None:
    if what == "rollout":
        on.await_rollout()
    elif what == "new-pod":
        until(
            lambda: [it for it in on.pods() if it.uid not in before and any(map(_begun, it.containers))],
            what="a new pod of the operator",
            timeout=_SECONDS,
        )


def _begun(container: Container) -> bool:
    """Whether the node has an image for it, or has said why not: before that, nothing can be seen of it."""
    return bool(container.image_id) or (container.state == "waiting" and container.reason not in _NOT_YET)
