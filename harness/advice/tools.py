# SPDX-License-Identifier: Apache-2.0
"""What the object or file of a tool says beside the values: where the chart is, and whether old values are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.advice.remarks import End, Remark
from harness.audit.expressions import is_known
from harness.audit.homes import Homes
from harness.matrix.edges import Upgrades
from harness.matrix.model import Move
from harness.matrix.release import Release
from harness.report.advice import Sentence

_ADDRESSED = ("http://", "https://", "oci://")
_AT_REGISTRY = re.compile(r"[\w-]+(?:\.[\w-]+)+(?::\d+)?/")
_REUSE = "https://helm.sh/docs/helm/helm_upgrade/"


def own_repository(address: str, homes: Homes) -> str:
    """The address of the chart's repository where it is one of the user's own; empty where it is upstream's.

    Argo CD and helmfile leave out the scheme of a registry.
    """
    if _AT_REGISTRY.match(address):
        address = f"oci://{address}"
    is_own = address.startswith(_ADDRESSED) and is_known(address) and not homes.may_have_chart(address)
    return address if is_own else ""


def of_repository(address: str, target: Release, homes: Homes) -> Iterator[Remark]:
    """That the chart's repository answers no more, or is one of the user's own; nothing where it is upstream's."""
    plain = address.split("://", 1)[-1].rstrip("/")
    gone = next((it for it in homes.history.helm if it.address == plain), None)
    if gone:
        text = f"the chart's repository {address} has answered no more since {gone.until}"
        yield Remark(
            sentence=Sentence(text=text, origin="from the catalogue", where=gone.source),
            step=f"take {target.chart_repository} as the repository of the chart, in the place of {address}",
            stops=True,
        )
    elif address := own_repository(address, homes):
        at = target.chart_oci or target.chart_repository
        text = f"the chart comes from {address}, where upstream publishes nothing: {target.version} must be there, too"
        yield Remark(
            sentence=Sentence(text=text, origin="seen", where=at),
            step=f"see that the chart {target.version} is at {address}; upstream has it at {at}",
        )


def of_kept_values(setting: str, origin: End, target: End, upgrades: Upgrades) -> Iterator[Remark]:
    """What comes of a setting by which the tool upgrades with Helm's --reuse-values."""
    move = Move(kind="upgrade", origin=origin.name, target=target.name)
    rows = [row for row in upgrades.known if "reuse" in row.values and row.certain(move) and row.about(move)]
    breaks = [row for row in rows if "default" not in row.values]
    why = breaks[0].why if breaks else "values that you remove stay, and new defaults do not count"
    where = breaks[0].link if breaks else _REUSE
    yield Remark(
        sentence=Sentence(text=f"{setting} is Helm's --reuse-values: {why}", origin="from the catalogue", where=where),
        step=f"switch {setting} off; add to your values what you still need of the previous ones",
        stops=bool(breaks),
    )
