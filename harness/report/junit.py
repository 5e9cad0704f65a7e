# SPDX-License-Identifier: Apache-2.0
"""junit.xml: the report format that every CI system reads."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from harness.report.flakes import told
from harness.report.model import CellResult, RunResult
from harness.report.text import plain
from harness.verdicts import Verdict

_OUTCOME = {
    Verdict.FAILED: ("failure", "failed"),
    Verdict.ERROR: ("error", "error"),
    Verdict.BROKEN_AS_KNOWN: ("skipped", "xfailed"),
    Verdict.UNAVAILABLE: ("skipped", "unavailable"),
}


def render(run: RunResult) -> str:
    """The document: one test case per cell, with its repro line as a property.

    A cell that is broken as known, or unavailable, is `skipped` with the reason; a cell that was selected but has no
    result is an `error` once the run has ended.
    """
    missing = run.missing if run.ended else ()
    counts = run.counts
    suite = ET.Element(
        "testsuite",
        {
            "name": f"spark-operator-harness {run.run_id}",
            "timestamp": run.started.isoformat(timespec="seconds"),
            "tests": str(len(run.cells) + len(missing)),
            "failures": str(counts.get(Verdict.FAILED, 0)),
            "errors": str(counts.get(Verdict.ERROR, 0) + len(missing)),
            "skipped": str(counts.get(Verdict.BROKEN_AS_KNOWN, 0) + counts.get(Verdict.UNAVAILABLE, 0)),
            "time": f"{sum(cell.seconds for cell in run.cells):.1f}",
        },
    )
    seed = {} if run.seed is None else {"seed": str(run.seed)}
    repeated = {f"flake rate {flake.id}": told(flake) for flake in run.flakes}
    _properties(suite, {"source": run.source.told, "harness": run.harness_version, **seed, **run.tools, **repeated})
    for cell in run.cells:
        _case(suite, cell)
    for name in missing:
        group, _, scenario = name.rpartition("/")
        case = ET.SubElement(suite, "testcase", {"classname": plain(group), "name": plain(scenario), "time": "0"})
        ET.SubElement(case, "error", {"type": "missing", "message": "the run ended before this cell had a result"})
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, cell: CellResult) -> None:
    name = cell.scenario if cell.attempt == 1 else f"{cell.scenario} (attempt {cell.attempt})"
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": plain(f"{cell.environment}/{cell.path}"),
            "name": plain(name),
            "time": f"{cell.seconds:.1f}",
        },
    )
    _properties(
        case,
        {
            "cell": cell.id,
            "verdict": cell.verdict.value,
            **({"distribution": cell.distribution} if cell.distribution else {}),
            "repro": cell.repro,
            **({"lock": cell.lock} if cell.lock else {}),
            **({"retried": "; ".join(f"{it.cause}: {it.message}" for it in cell.retries)} if cell.retries else {}),
            **({"drift": "; ".join(cell.drift)} if cell.drift else {}),
            **({"evidence": cell.evidence} if cell.evidence else {}),
            **{f"image {image.reference}": f"{image.digest} ({image.obtained})" for image in cell.images},
        },
    )
    if cell.verdict in _OUTCOME:
        tag, kind = _OUTCOME[cell.verdict]
        outcome = ET.SubElement(case, tag, {"type": kind, "message": plain(cell.reason)})
        bad = [check for check in cell.checks if check.verdict is not Verdict.PASSED]
        lines = [f"{check.verdict}: {check.name}: {check.message}" for check in bad]
        outcome.text = plain("\n".join([*lines, f"repro: {cell.repro}"]))


def _properties(parent: ET.Element, values: dict[str, str]) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in values.items():
        ET.SubElement(properties, "property", {"name": plain(name), "value": plain(value)})
