# SPDX-License-Identifier: Apache-2.0
"""What the catalogue predicted, held against what was found: known breaks, and predictions that did not come true."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from harness.matrix.model import Known
from harness.verdicts import Finding, Verdict, errored, failed

CHECK = "expectation"

_UNSEEN = frozenset({Verdict.ERROR, Verdict.UNAVAILABLE})
_COUNTS = ("total", "failed", "doubled", "windows")


def judge(
    findings: Sequence[Finding], known: Sequence[Known], scenario: str, rows: str = "charts/upgrades.toml"
) -> list[Finding]:
    """The findings of a scenario, each failure that was predicted as broken-as-known, with cause and way out.

    For each prediction that must come true and did not, a failed finding is added that tells both stories. Where the
    checks that it is about could not look, nothing is claimed; where there is no such check, that is an error of the
    catalogue's, unless the cell as a whole got nowhere, or no further than another prediction said. What follows from a
    break excuses nothing where the break itself was looked for and did not strike. `rows` is the file that the
    predictions are from.
    """
    mine = _without_idle([row for row in known if fnmatchcase(scenario, row.scenario)], findings)
    judged = [as_known(finding, mine, scenario) for finding in findings]
    struck = [row for row in mine if any(_strikes(row, finding) for finding in findings)]
    for row in mine:
        if row.strikes == "always" and row not in struck:
            judged += _did_not_strike(row, findings, rows, after_a_break=bool(struck))
    return judged


def _without_idle(known: Sequence[Known], findings: Sequence[Finding]) -> list[Known]:
    """The rows without what follows from a break that was looked for in this scenario, and did not strike."""
    breaks = [row for row in known if row.strikes != "follows"]
    struck = {row.why for row in breaks if any(_strikes(row, it) for it in findings)}
    looked = {row.why for row in breaks if _looked_for(row, findings)}
    return [row for row in known if row.strikes != "follows" or row.why in struck or row.why not in looked]


def _looked_for(row: Known, findings: Iterable[Finding]) -> bool:
    verdicts = {it.verdict for it in findings if _is_about(row, it)}
    return bool(verdicts) and not verdicts & _UNSEEN


def as_known(finding: Finding, known: Iterable[Known], scenario: str) -> Finding:
    """A finding of a scenario, broken-as-known where it was predicted; else as it is."""
    row = next((row for row in known if fnmatchcase(scenario, row.scenario) and _strikes(row, finding)), None)
    if row is None:
        return finding
    evidence = {**finding.evidence, "why": row.why, "link": row.link, "way_out": row.way_out, "strikes": row.strikes}
    often = _how_often(finding.evidence) if row.strikes == "sometimes" else ""
    return finding.model_copy(
        update={
            "verdict": Verdict.BROKEN_AS_KNOWN,
            "message": f"{finding.message}{often}; known: {row.why} ({row.link})",
            "evidence": evidence,
        }
    )


def _did_not_strike(row: Known, findings: Sequence[Finding], rows: str, *, after_a_break: bool) -> list[Finding]:
    looked = [finding for finding in findings if _is_about(row, finding)]
    if after_a_break and not looked:
        return []
    if any(finding.verdict in _UNSEEN for finding in looked or findings):
        return []
    where = f"{row.check} of {row.move}" if row.move else row.check
    expected = f"{row.why} (that {where} says /{row.says}/)"
    facts = {"why": row.why, "link": row.link, "way_out": row.way_out, "expected": {"check": where, "says": row.says}}
    if not looked:
        return [errored(CHECK, f"the catalogue expects that {expected}, but no check of that name ran", **facts)]
    bad = [finding for finding in looked if finding.verdict is not Verdict.PASSED]
    if bad:
        story = "it broke in another way: " + "; ".join(f"{it.check}: {it.message}" for it in bad)
    else:
        story = "it held: " + "; ".join(f"{it.check}: {it.message}" for it in looked[:3])
    more = f" and {len(looked) - 3} more checks passed" if not bad and len(looked) > 3 else ""
    return [
        failed(
            CHECK,
            f"the catalogue expects that {expected}, see {row.link}. What was seen: {story}{more}. One of the two is "
            f"wrong: correct the row in {rows}, or find out what changed",
            seen=[f"{it.check}: {it.verdict}: {it.message}" for it in looked],
            **facts,
        )
    ]


def _strikes(row: Known, finding: Finding) -> bool:
    """Whether a finding is the predicted break. What follows from one may leave a check nothing to look at."""
    broken = (Verdict.FAILED, Verdict.ERROR) if row.strikes == "follows" else (Verdict.FAILED,)
    return finding.verdict in broken and _is_about(row, finding) and re.search(row.says, finding.message) is not None


def _is_about(row: Known, finding: Finding) -> bool:
    """Whether the finding is of the row's check and, where both name a move, of its move (`no-restarts (A → B)`)."""
    check, _, move = finding.check.removesuffix(")").partition(" (")
    return fnmatchcase(check, row.check) and (not row.move or not move or row.move == move)


def _how_often(evidence: Mapping[str, object]) -> str:
    counts = [f"{name} {evidence[name]}" for name in _COUNTS if evidence.get(name)]
    return f" [{', '.join(counts)}]" if counts else ""
