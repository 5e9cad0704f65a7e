# SPDX-License-Identifier: Apache-2.0
"""Asks the nodes of a cluster what their container runtimes have on record (harness/kube/node_records.py)."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, Field

from harness import causes
from harness.errors import HarnessError
from harness.kube.cluster import Cluster
from harness.kube.node_records import NOBODY_CAN_ASK, NodeImage, NodeRecords
from harness.providers.base import Provider
from harness.waiting import Cancelled

_SECONDS = 60.0


class _Image(BaseModel):
    id: str
    tags: tuple[str, ...] = Field(default=(), alias="repoTags")
    names: tuple[str, ...] = Field(default=(), alias="repoDigests")


class _Images(BaseModel):
    images: tuple[_Image, ...] = ()


class _Container(BaseModel):
    """In a list both fields hold the image's id, as containerd has it on record: 2.2 and 2.3 fill the reference alone,
    2.4 both (internal/cri/server/container_list.go). In a status the reference is one of the image's names.
    """

    id: str
    image_id: str = Field(default="", alias="imageId")
    reference: str = Field(default="", alias="imageRef")


class _Containers(BaseModel):
    containers: tuple[_Container, ...] = ()


T = TypeVar("T", bound=BaseModel)


def look(provider: Provider | None, cluster: Cluster) -> NodeRecords:
    """Ask every node. What a node does not tell is in `trouble`; without a provider, and as a guest, nobody can ask.

    Raises Cancelled.
    """
    if provider is None or provider.guest:
        return NOBODY_CAN_ASK
    runs: dict[str, str] = {}
    images: dict[str, NodeImage] = {}
    troubles: list[str] = []
    for node in cluster.nodes:
        try:
            for it in _told(provider, cluster, node, "images", as_type=_Images).images:
                images[it.id] = _joined(images.get(it.id), it)
            told = _told(provider, cluster, node, "ps", "--all", as_type=_Containers)
            runs.update({it.id: it.image_id or it.reference for it in told.containers})
        except Cancelled:
            raise
        except (HarnessError, OSError, ValueError) as mute:
            troubles.append(f"the node {node} does not tell what it runs: {mute}")
    return NodeRecords(runs=runs, images=images, trouble="; ".join(troubles))


def _told(provider: Provider, cluster: Cluster, node: str, *words: str, as_type: type[T]) -> T:
    done = provider.node_exec(cluster, node, ["crictl", *words, "--output", "json"], timeout=_SECONDS)
    if done.returncode != 0:
        raise ValueError(f"crictl {words[0]}: {causes.told(done.stderr or done.stdout)}")
    return as_type.model_validate_json(done.stdout)


def _joined(known: NodeImage | None, more: _Image) -> NodeImage:
    """One image as several nodes have it."""
    tags = (*(known.tags if known else ()), *more.tags)
    digests = frozenset(name.rpartition("@")[2] for name in more.names)
    return NodeImage(
        id=more.id, tags=tuple(dict.fromkeys(tags)), digests=digests | (known.digests if known else frozenset())
    )
