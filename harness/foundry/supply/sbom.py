# SPDX-License-Identifier: Apache-2.0
"""A CycloneDX bill of materials of an artefact, written and validated with CycloneDX's own Python library."""

from __future__ import annotations

import json
import uuid
from datetime import datetime

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component as BomComponent
from cyclonedx.model.component import ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from harness import __version__
from harness.errors import BuildError
from harness.foundry.supply import record
from harness.foundry.supply.components import Component, Subject
from harness.foundry.supply.describe import Described
from harness.foundry.supply.record import Record

VERSION = SchemaVersion.V1_6

_PROPERTY = "spark-operator-harness"
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://harness.invalid/foundry")
_SHOWN_ERRORS = 3


def text(described: Described) -> str:
    """The bill of materials as JSON. The same artefact gives the same text. Raises BuildError when it is not valid."""
    bom = _bom(described)
    written = make_outputter(bom, OutputFormat.JSON, VERSION).output_as_string(indent=1)
    wrong = problems(written)
    if wrong:
        raise BuildError(
            f"the bill of materials of {described.whole.record.title} is not valid: {'; '.join(wrong)}",
            "report this as a bug of the harness",
        )
    return written


def problems(written: str) -> list[str]:
    """What CycloneDX's schema has against a bill of materials, the first few; empty when it is valid."""
    try:
        found = JsonStrictValidator(VERSION).validate_str(written, all_errors=True)
    except json.JSONDecodeError as broken:
        return [f"it is not JSON: {broken}"]
    return [str(it.data) for it in list(found or ())[:_SHOWN_ERRORS]]


def purl(component: Component) -> PackageURL:
    """The component's package URL."""
    return PackageURL(
        type=component.ecosystem,
        namespace=component.group or None,
        name=component.name,
        version=component.version,
        qualifiers=component.qualifiers or None,
    )


def _bom(described: Described) -> Bom:
    made = described.whole.record
    whole = BomComponent(
        name=made.title,
        version=made.key,
        type=ComponentType.CONTAINER if "image" in made.kind or "node" in made.kind else ComponentType.FILE,
        bom_ref=_reference(made),
        components=[_file(subject) for subject in described.whole.subjects],
    )
    parts = [
        BomComponent(
            name=it.record.title, version=it.record.key, type=ComponentType.FILE, bom_ref=_reference(it.record)
        )
        for it in described.parts
    ]
    packages = [_package(it) for it in described.components]
    bom = Bom(
        serial_number=uuid.uuid5(_SPACE, f"{_reference(made)} {made.created}"),
        components=[*parts, *packages],
        metadata=BomMetaData(
            component=whole,
            timestamp=datetime.fromisoformat(made.created),
            tools=[],
            properties=[
                Property(name=f"{_PROPERTY}:version", value=__version__),
                Property(name=f"{_PROPERTY}:recipe", value=f"sha256:{record.digest_of(made.inputs)}"),
                *(Property(name=f"{_PROPERTY}:not-known", value=it) for it in described.unknown),
            ],
        ),
    )
    bom.register_dependency(whole, [*parts, *packages])
    return bom


def _reference(made: Record) -> str:
    return f"{made.kind}/{made.name}-{made.key}"


def _file(subject: Subject) -> BomComponent:
    return BomComponent(
        name=subject.name,
        type=ComponentType.FILE,
        bom_ref=f"file:{subject.name}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=subject.sha256)],
    )


def _package(component: Component) -> BomComponent:
    hashes = {HashAlgorithm.SHA_256: component.sha256, HashAlgorithm.SHA_1: component.sha1}
    address = purl(component)
    notes = [Property(name=f"{_PROPERTY}:within", value=it) for it in component.within]
    if component.h1:
        # CycloneDX has no name for Go's hash of a module, which is not one of its archive.
        notes.append(Property(name=f"{_PROPERTY}:go.sum", value=component.h1))
    return BomComponent(
        name=component.name,
        group=component.group or None,
        version=component.version,
        type=ComponentType.LIBRARY,
        purl=address,
        bom_ref=str(address),
        hashes=[HashType(alg=alg, content=content) for alg, content in hashes.items() if content],
        licenses=[LicenseExpression(component.licence)] if component.licence else [],
        properties=notes,
    )
