# SPDX-License-Identifier: Apache-2.0
"""Where an artefact comes from: an in-toto Statement v1 with SLSA's provenance v1 as its predicate.

The forms are those of in-toto's attestation specification (spec/v1/statement.md, resource_descriptor.md, digest_set.md)
and of SLSA 1.0 (provenance/v1). Nobody signs the statement: it says what this machine knows, to whoever trusts it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from harness import __version__
from harness.foundry.supply import record, sbom
from harness.foundry.supply.components import Component
from harness.foundry.supply.describe import Described, Part
from harness.foundry.supply.record import Record

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"

# A name for what has no address (RFC 2606, section 2).
_OURS = "https://harness.invalid/foundry"


def text(described: Described) -> str:
    """The statement as JSON. The same artefact gives the same text."""
    return json.dumps(_statement(described), indent=1) + "\n"


def _statement(described: Described) -> dict[str, Any]:
    made = described.whole.record
    return {
        "_type": STATEMENT,
        "subject": [{"name": it.name, "digest": {"sha256": it.sha256}} for it in described.whole.subjects],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": f"{_OURS}/{made.kind}/v1",
                "externalParameters": {"kind": made.kind, "name": made.name},
                "internalParameters": {"recipe": {"sha256": record.digest_of(made.inputs)}, "key": made.key},
                "resolvedDependencies": [
                    *(file for part in (*described.parts, *described.tools) for file in _part(part)),
                    *(_package(it) for it in (*described.components, *described.materials) if it.proved),
                ],
            },
            "runDetails": {
                "builder": {"id": _OURS, "version": {"spark-operator-harness": __version__}},
                "metadata": {
                    "invocationId": f"{made.kind}/{made.name}-{made.key}",
                    "startedOn": _stamp(made, -made.seconds),
                    "finishedOn": _stamp(made, 0),
                },
            },
        },
    }


def _part(part: Part) -> Iterator[dict[str, Any]]:
    made = part.record
    for subject in part.subjects:
        yield {
            "name": f"{made.title}: {subject.name}",
            "uri": f"{_OURS}/{made.kind}/{made.name}-{made.key}",
            "digest": {"sha256": subject.sha256},
        }


def _package(component: Component) -> dict[str, Any]:
    digests = {"sha256": component.sha256, "sha1": component.sha1, "dirHash": component.dir_hash}
    return {
        "name": component.name,
        "uri": str(sbom.purl(component)),
        "digest": {name: value for name, value in digests.items() if value},
    }


def _stamp(made: Record, seconds: float) -> str:
    moment = datetime.fromisoformat(made.created) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
