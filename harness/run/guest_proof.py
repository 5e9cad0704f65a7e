# SPDX-License-Identifier: Apache-2.0
"""The proof that a run has left a user's cluster as it was: its objects before and after, none with its labels."""

from __future__ import annotations

from collections.abc import Callable, Collection

from harness.errors import ApiError, ClusterError, WaitTimeout
from harness.existing import inventory
from harness.existing.inventory import Differences, Inventory, Key
from harness.kube.api import connect
from harness.providers import guest as guests
from harness.providers.base import Guest
from harness.sites.operators import GROUP
from harness.waiting import until
from harness.wording import counted

_SETTLE_SECONDS = 60.0
"""For what the API server itself takes away after a CRD: its APIService, and rights that were aggregated."""
_SHOWN = 8


class Proof:
    """Takes the picture before when it is made. `namespaces` and `release` are the run's own.

    Raises ClusterError when the API server is away.
    """

    def __init__(self, guest: Guest, *, namespaces: Collection[str], release: str, say: Callable[[str], None]) -> None:
        self._guest = guest
        self._namespaces = namespaces
        self._release = release
        self._say = say
        try:
            self._before = self._after = self._picture()
        except ApiError as away:
            raise ClusterError(
                f"the objects in the cluster of context {guest.context} could not be listed: {away.message}",
                "nothing was changed in it; try again",
            ) from away

    def leaks(self) -> list[str]:
        """What is not as it was and the run's doing, in words; what others did meanwhile is only told."""
        try:
            left, differences = self._settled()
        except ApiError as away:
            unseen = f"whether the cluster of context {self._guest.context} is as it was could not be seen"
            return [f"{unseen}: {away.message}; next: {self._guest.clean}"]
        own = differences.only(self._is_own).words
        others = differences.only(lambda it: not self._is_own(it)).words
        self._tell(others, clean=not left and not own)
        where, step = f"in the cluster of context {self._guest.context}", f"next: {self._guest.clean}"
        return [f"{where}: {it}; {step}" for it in [*left, *own]]

    def _tell(self, others: list[str], *, clean: bool) -> None:
        both = self._before.kinds & self._after.kinds
        count = sum(it.kind in both for it in self._before.objects)
        if clean:
            self._say(
                f"left as found: {counted(count, 'object')} of {counted(len(both), 'kind')} compared, none of this run"
            )
        for word in others[:_SHOWN]:
            self._say(f"  meanwhile, by others: {word}")
        if len(others) > _SHOWN:
            self._say(f"  and {len(others) - _SHOWN} more")
        if unread := dict.fromkeys((*self._before.unread, *self._after.unread)):
            self._say(f"  not compared, since they could not be listed: {', '.join(unread)}")

    def _settled(self) -> tuple[list[str], Differences]:
        """What has the run's labels, and the differences, once nothing is the run's, or the time is over.

        What could be listed before, and cannot be now, gets that time, too. Raises ApiError where nothing was seen.
        """
        seen: tuple[list[str], Differences] | None = None
        trouble: ApiError | None = None

        def look() -> bool:
            nonlocal seen, trouble
            try:
                with connect(self._guest.kubeconfig) as api:
                    left = guests.find(api, self._guest.installation, self._guest.run_id).words
                    self._after = inventory.take(api)
            except ApiError as away:
                trouble = away
                return False
            differences = inventory.compare(self._before, self._after)
            seen = left, differences
            return not (left or differences.only(self._is_own).words or set(self._after.unread) & self._before.kinds)

        try:
            until(look, what="the cluster to be as it was", timeout=_SETTLE_SECONDS, interval=0.5, heed_cancel=False)
        except WaitTimeout:
            if seen is None and trouble is not None:
                raise trouble from None
        return seen or ([], Differences())

    def _is_own(self, key: Key) -> bool:
        """Whether it is the run's: in a namespace of its own or, outside of namespaces, of the operator's group or
        named after its release.

        A release names what it has outside of namespaces after itself. Applications in namespaces of others come and
        go with these; where a run took them away, it was with their CRD.
        """
        if key.where:
            return key.where in self._namespaces
        own = key.kind == "Namespace" and key.name in self._namespaces
        return own or GROUP in key.name or key.name.startswith(self._release)

    def _picture(self) -> Inventory:
        with connect(self._guest.kubeconfig) as api:
            return inventory.take(api)
