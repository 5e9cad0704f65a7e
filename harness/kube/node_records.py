# SPDX-License-Identifier: Apache-2.0
"""What nodes' container runtimes have on record: the image of each container, and all of its names.

A pod's status does not tell it. containerd keeps an image by the digest of its configuration, and reports a container
under whichever name of that image comes first in the alphabet, even when that name came after the container
(containerd 2.2.9, internal/cri/server/container_status.go and internal/cri/store/image/image.go).
harness/providers/runtime.py asks for the records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.kube.models import Container


@dataclass(frozen=True, kw_only=True)
class NodeImage:
    """An image on a node. `id` is the digest of its configuration, `digests` are those by which the node knows it:
    of manifests and indexes, whichever registry they came from.
    """

    id: str
    tags: tuple[str, ...] = ()
    digests: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class NodeRecords:
    """What the nodes have: `images` by their ids, and `runs`, the image's id by that of the container.

    `trouble` is why some node could not be asked; empty when all of them were. `askable` is whether anybody can ask
    the nodes at all: it is False on a cluster that is a user's own.
    """

    runs: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, NodeImage] = field(default_factory=dict)
    trouble: str = ""
    askable: bool = True

    def image_of(self, container: Container) -> NodeImage | None:
        """The image that a container runs: by the container's own record, else by the digest that its status has.

        None where no node knows either.
        """
        known = self.runs.get(container.runtime_id)
        if known:
            return self.images.get(known) or NodeImage(id=known)
        reported = container.image_id.rpartition("@")[2]
        return next((it for it in self.images.values() if reported and reported in {it.id, *it.digests}), None)


NOBODY_CAN_ASK = NodeRecords(trouble="the nodes of this cluster cannot be asked from here", askable=False)
"""The records of nodes that belong to somebody else."""
