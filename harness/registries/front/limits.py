# SPDX-License-Identifier: Apache-2.0
"""Docker Hub's pull limits: how many manifests an address or a user may get within a window."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.registries.front.profile import Limits

_NAMESPACE = uuid.UUID("6ba7b814-9dad-11d1-80b4-00c04fd430c8")


@dataclass(frozen=True, kw_only=True)
class Balance:
    """The quota of a client: `remaining` pulls of `limit` in a window of `window` seconds; `resets_in` seconds."""

    source: str
    limit: int
    remaining: int
    window: int
    resets_in: float
    counted: bool

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that Docker Hub sends with manifests (https://docs.docker.com/docker-hub/usage/pulls)."""
        return {
            "ratelimit-limit": f"{self.limit};w={self.window}",
            "ratelimit-remaining": f"{self.remaining};w={self.window}",
            "docker-ratelimit-source": self.source,
        }

    @property
    def retry_after(self) -> int:
        """Whole seconds until the window ends, at least 1."""
        return max(1, math.ceil(self.resets_in))


class PullCounter:
    """Counts pulls; a client's window begins with its first pull. Safe to use from several threads."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def look(self, limits: Limits, *, user: str, address: str) -> Balance:
        """The quota, without counting: for HEAD."""
        return self._balance(limits, user, address, count=False)

    def pull(self, limits: Limits, *, user: str, address: str) -> Balance:
        """Count a pull; `counted` is false when the quota was used up."""
        return self._balance(limits, user, address, count=True)

    def refund(self, balance: Balance) -> None:
        """Uncount a pull of something that does not exist."""
        with self._lock:
            began, used = self._windows.get(balance.source, (0.0, 0))
            if used and balance.counted:
                self._windows[balance.source] = (began, used - 1)

    def reset(self) -> None:
        """Reset all counts."""
        with self._lock:
            self._windows.clear()

    def _balance(self, limits: Limits, user: str, address: str, *, count: bool) -> Balance:
        source = source_of(user, address)
        limit = limits.user if user else limits.anonymous
        now = self._clock()
        with self._lock:
            began, used = self._windows.get(source, (now, 0))
            if now - began >= limits.window:
                began, used = now, 0
            counted = count and used < limit
            if counted:
                used += 1
                self._windows[source] = (began, used)
        return Balance(
            source=source,
            limit=limit,
            remaining=max(0, limit - used),
            window=limits.window,
            resets_in=began + limits.window - now,
            counted=counted,
        )


def source_of(user: str, address: str) -> str:
    """The key that pulls are counted by: a user's id, an IPv4 address, or the /64 of an IPv6 address."""
    if user:
        return str(uuid.uuid5(_NAMESPACE, user))
    ip = ipaddress.ip_address(address)
    if ip.version == 6:
        return str(ipaddress.ip_network(f"{ip}/64", strict=False).network_address)
    return str(ip)
