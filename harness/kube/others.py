# SPDX-License-Identifier: Apache-2.0
"""Whether it is somebody else's admission that an API server's answer is about: a policy, a quota, another webhook.

What the owner of a cluster lets nobody create proves nothing about the release that wanted it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from harness.verdicts import Finding, Verdict, errored

_OPERATORS = "sparkoperator.k8s.io"
"""The name of each webhook of the operator's ends so, in every 2.x (its chart, templates/webhook)."""

# k8s.io/apiserver, pkg/admission/plugin/webhook; the quotation marks may be those of JSON within a text. Each name has
# at least three parts.
_WEBHOOK = re.compile(
    r'(?P<how>admission webhook|failed calling webhook) \\*"(?P<name>[^".\\]+\.[^".\\]+\.[^"\\]+)\\*"'
)
# Gatekeeper names its constraints in brackets (pkg/webhook/policy.go), Kyverno its policies in lines of their own
# (pkg/webhooks/utils/block.go), and those of CEL in the sentence (pkg/cel).
_POLICY = re.compile(
    r"denied the request: \[(?:denied by )?(?P<gatekeeper>[\w.-]{1,200})\]"
    r"|denied the request: Policy (?P<cel>[\w./-]{1,200}) (?:failed|error):"
    r"|due to the following policies(?:\s|\\+n){0,20}(?P<kyverno>[\w./-]{1,200}):"
)
# kubernetes, plugin/pkg/admission/security/podsecurity; `would violate` is only a warning.
_POD_SECURITY = re.compile(r'violates PodSecurity \\*"(?P<name>[^"\\]{1,100})\\*"')
_OTHERS = {
    # k8s.io/apiserver, pkg/admission/plugin/policy: what only warns says `Validation failed for` before the name.
    "the ValidatingAdmissionPolicy": re.compile(
        r"ValidatingAdmissionPolicy '(?P<name>[^'\n]{1,260})'(?: with binding '[^'\n]{1,260}')? denied request"
    ),
    "the MutatingAdmissionPolicy": re.compile(
        r"""\bpolicy (?:'|\\*")(?P<name>[^'"\\\n]{1,260})(?:' with binding '[^'\n]{1,260}'|\\*") denied request"""
    ),
    # k8s.io/apiserver, pkg/admission/plugin/resourcequota; kubernetes, plugin/pkg/admission/limitranger, which has
    # several in brackets. The words of an application about a quota of its own are no API server's.
    "the ResourceQuota": re.compile(
        r"forbidden: (?:(?:exceeded|failed|status unknown for) quota: (?P<name>[\w.-]+)|insufficient quota to )"
    ),
    "a LimitRange with": re.compile(
        r"forbidden: \[?(?P<name>(?:(?:max|min)imum [\w./-]+ usage|[\w./-]+ max limit to request ratio) per "
        r"(?:Pod|Container|PersistentVolumeClaim)) is"
    ),
    # openshift/apiserver-library-go, pkg/securitycontextconstraints/sccadmission; those that may be used say why not.
    "the SecurityContextConstraints": re.compile(
        r"unable to validate against any (?:security context constraint|pod security policy)"
        r"(?:.{0,2000}?provider \\*\"?(?P<name>[\w.-]{1,200})\\*\"?: \.)?"
    ),
    "the Pod Security Standard": _POD_SECURITY,
}
_STEPS = {
    "admission webhook": "ask its owner what it wants of pods, or to except the run's namespaces from it: "
    "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
    "failed calling webhook": "see whether its pods are up and answer in time, or have its owner except the run's "
    "namespaces from it: kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations -o wide",
    "the ValidatingAdmissionPolicy": "ask its owner what it wants of pods, or to except the run's namespaces from it: "
    "kubectl get validatingadmissionpolicies,validatingadmissionpolicybindings",
    "the MutatingAdmissionPolicy": "ask its owner what it wants of pods, or to except the run's namespaces from it: "
    "kubectl get mutatingadmissionpolicies,mutatingadmissionpolicybindings",
    "the ResourceQuota": "have the run's namespaces given more room: kubectl get resourcequotas -A",
    "a LimitRange with": "have the run's namespaces excepted from it: kubectl get limitranges -A",
    "the SecurityContextConstraints": "let the service accounts of the run's namespaces use one that lets the pods "
    "pass: oc adm policy add-scc-to-group SCC system:serviceaccounts:NAMESPACE",
    "the Pod Security Standard": "have the run's namespaces excepted from it: it is the default of the API server "
    "(AdmissionConfiguration), or whatever sets pod-security.kubernetes.io/enforce on new namespaces",
}
_MARKS = ("forbidden", "denied", "failed calling webhook")
_FURTHER = 6
_MOST = 3
_LONGEST = 2_000


def word(message: str, *, promised: bool = False) -> str:
    """Whose admission refused, or could not be asked, in words; empty where it is nobody's, or the operator's own.

    Where Pod Security is `promised`, since the environment is there to try it, pods that do not keep to it are the
    release's own.
    """
    return _who(message, promised)[1]


def in_log(log: str) -> list[str]:
    """The last lines of a log in which the admission of others refuses a pod that its program asked for."""
    lines = log.splitlines()
    found = (_whole(lines, number) for number, it in enumerate(lines) if any(mark in it for mark in _MARKS))
    return list(dict.fromkeys(it for it in found if word(it)))[-_MOST:]


def _whole(lines: Sequence[str], number: int) -> str:
    """A line with what belongs to it: Kyverno's messages begin with an empty line."""
    line = lines[number].strip()
    more = lines[number + 1 : number + 1 + _FURTHER] if line.endswith("denied the request:") else ()
    return " ".join(filter(None, (line, *(it.strip() for it in more))))[:_LONGEST]


def _who(message: str, promised: bool) -> tuple[str, str]:
    """The kind of what refused, and what it is called; both empty for none."""
    webhooks = list(_WEBHOOK.finditer(message))
    if any(it["name"].endswith(_OPERATORS) for it in webhooks):
        return "", ""
    if webhooks:
        policy = _POLICY.search(message)
        by = f" (policy {policy[policy.lastgroup or 0]})" if policy else ""
        return webhooks[0]["how"], f"the webhook {webhooks[0]['name']}{by}"
    for what, pattern in _OTHERS.items():
        found = None if promised and pattern is _POD_SECURITY else pattern.search(message)
        if found:
            return what, f"{what} {found['name'] or ''}".rstrip()
    return "", ""


def judged(findings: Iterable[Finding], *, promised: bool = False) -> list[Finding]:
    """The findings; one that failed with the word of somebody else's admission is an error. `promised` as of `word`."""
    return [_judged(it, promised) for it in findings]


def _judged(finding: Finding, promised: bool) -> Finding:
    if finding.verdict is not Verdict.FAILED:
        return finding
    kind, who = _who(f"{finding.message} {json.dumps(finding.evidence, default=str)}", promised)
    if not who:
        return finding
    said, _, _ = finding.message.partition("\n  next: ")
    told = f"{who} of this cluster stood in the way, which proves nothing about the release: {said}"
    told += f"\n  next: {_STEPS[kind]}"
    return errored(finding.check, told, **finding.evidence).model_copy(update={"decides": finding.decides})
