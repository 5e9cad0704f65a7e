# SPDX-License-Identifier: Apache-2.0
"""How far away the registries of the small internet are: its machine's bandwidth, and how late they answer."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from harness import process

_SECONDS = 30.0
# More than the largest segment that the kernel hands on as one (64 KiB), or it would be cut up.
_BURST = "1mb"


class Link(BaseModel):
    """`megabytes` a second come to the machine, from all hosts together; each answer begins `milliseconds` late.

    The delay is that of requests. Connections are made without one: that of packets needs the kernel's netem, which
    not every machine has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    megabytes: float = Field(gt=0)
    milliseconds: float = Field(ge=0)

    @property
    def seconds(self) -> float:
        """The delay of an answer."""
        return self.milliseconds / 1000

    def __str__(self) -> str:
        return f"{self.megabytes:g} MB/s and {self.milliseconds:g} ms to each registry"

    def shape(self, interface: str) -> None:
        """Let no more than the bandwidth out of this interface, which leads to the machine. Raises CommandError."""
        rate = f"{self.megabytes * 8:g}mbit"
        words = ["qdisc", "add", "dev", interface, "root", "tbf", "rate", rate, "burst", _BURST, "latency", "50ms"]
        process.call(["tc", *words], timeout=_SECONDS)
