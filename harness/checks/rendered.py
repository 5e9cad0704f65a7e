# SPDX-License-Identifier: Apache-2.0
"""Claims about a release's objects: they are in the cluster as Helm rendered them, and no other operator is beside."""

from __future__ import annotations

from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.verdicts import Finding, errored, failed, passed
from harness.wording import counted, first_few

_DEPLOYED = "deployed"
_SHOWN = 5


def as_rendered(observed: ObservedOperator) -> Finding:
    """Permissions, accounts, Service, webhook configurations, arguments and ConfigMaps are those of the revision."""
    name = "objects-as-rendered"
    seen = observed.rendered
    if isinstance(seen, Unseen):
        return errored(name, seen.reason)
    if seen.status != _DEPLOYED:
        message = f"revision {seen.revision} is {seen.status}, so that what it rendered is not what is to be there"
        return errored(name, message)
    if not seen.compared:
        return errored(name, f"revision {seen.revision} rendered nothing that could be compared")
    evidence = {"differences": {it: list(lines) for it, lines in seen.differences.items()}, "left_out": seen.left_out}
    if seen.differences:
        wrong = [f"{it} {'; '.join(lines)}" for it, lines in seen.differences.items()]
        return failed(name, f"not as Helm rendered it: {first_few(wrong, _SHOWN, '; ')}", **evidence)
    return passed(
        name,
        f"{counted(len(seen.compared), 'object is', 'objects are')} as revision {seen.revision} rendered them",
        **evidence,
    )


def nothing_beside(observed: ObservedOperator) -> Finding:
    """No Deployment and no Job of the operator is in its namespace that the revision does not account for."""
    name = "nothing-beside"
    seen = observed.rendered
    if isinstance(seen, Unseen):
        return errored(name, seen.reason)
    if seen.beside:
        message = f"not of revision {seen.revision}, and left in {observed.namespace}: {', '.join(seen.beside)}"
        return failed(name, message, beside=list(seen.beside))
    return passed(name, f"{observed.namespace} has no Deployment or Job of another revision")
