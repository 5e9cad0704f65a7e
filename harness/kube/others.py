# SPDX-License-Identifier: Apache-2.0
"""Whether it is somebody else's admission that an API server's answer is about: a policy, a quota, another webhook.

What the owner of a cluster lets nobody create proves nothing about the release that wanted it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from harness.verdicts import Finding, Verdict, errored

_OPERATORS = "sparkoperator.k8s.io"
"""The name of each webhook of the operator's ends so, in every 2.x (its chart, templates/webhook)."""

# k8s.io/apiserver, pkg/admission/plugin/webhook; the quotation marks may be those of JSON within a text. Each name has
# at least three parts.
_WEBHOOK = re.compile(r'(?:admission webhook|failed calling webhook) \\*"(?P<name>[^".\\]+\.[^".\\]+\.[^"\\]+)\\*"')
_OTHERS = {
    # k8s.io/apiserver, pkg/admission/plugin/policy/validating; pkg/quota; kubernetes, plugin/pkg/admission/limitranger.
    "the ValidatingAdmissionPolicy": re.compile(r"ValidatingAdmissionPolicy '(?P<name>[^']+)' with binding"),
    "the ResourceQuota": re.compile(r"exceeded quota: (?P<name>[\w.-]+)"),
    "a LimitRange with": re.compile(r"(?P<name>(?:max|min)imum [\w./-]+ usage per (?:Pod|Container)) is"),
}


def word(message: str) -> str:
    """Whose admission refused, or could not be asked, in words; empty where it is nobody's, or the operator's own."""
    webhooks = [it["name"] for it in _WEBHOOK.finditer(message)]
    if any(it.endswith(_OPERATORS) for it in webhooks):
        return ""
    if webhooks:
        return f"the webhook {webhooks[0]}"
    found = ((what, pattern.search(message)) for what, pattern in _OTHERS.items())
    return next((f"{what} {match['name']}" for what, match in found if match), "")


def judged(findings: Iterable[Finding]) -> list[Finding]:
    """The findings; one that failed with the word of somebody else's admission is an error."""
    return [_judged(it) for it in findings]


def _judged(finding: Finding) -> Finding:
    if finding.verdict is not Verdict.FAILED:
        return finding
    who = word(f"{finding.message} {json.dumps(finding.evidence, default=str)}")
    if not who:
        return finding
    told = f"{who} of this cluster stood in the way, which proves nothing about the release: {finding.message}"
    return errored(finding.check, told, **finding.evidence).model_copy(update={"decides": finding.decides})
