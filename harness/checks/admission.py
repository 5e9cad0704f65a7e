# SPDX-License-Identifier: Apache-2.0
"""Claims about the webhook: its certificate is trusted, it fills in defaults, it refuses by the name of the rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from harness.matrix.release import Release
from harness.releases.admission_samples import expected, unlike
from harness.releases.asked import webhook_off
from harness.releases.crds import APPLICATIONS, has_field
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.releases.serving import answering
from harness.releases.webhook import Attempt, problems, same_certificates, validity
from harness.verdicts import Finding, errored, failed, passed, switched_off


def certificate(observed: ObservedOperator) -> Finding:
    """The CA bundle of every webhook entry verifies the certificate that each webhook pod serves, SAN and dates too."""
    name = "webhook-certificate"
    if off := webhook_off(observed.values):
        return switched_off(name, off)
    if isinstance(observed.webhook_entries, Unseen):
        return errored(name, observed.webhook_entries.reason)
    if isinstance(observed.handshakes, Unseen):
        return errored(name, observed.handshakes.reason)
    if not observed.webhook_entries:
        return failed(name, "there is no mutating or validating webhook configuration of this release")
    if not observed.handshakes:
        return failed(name, "no webhook pod runs that could serve a certificate")
    wrong = []
    for shake in observed.handshakes:
        if shake.error:
            wrong.append(f"pod {shake.pod} serves no certificate: {shake.error}")
            continue
        start, end = validity(shake.certificate)
        if not start <= datetime.now(UTC).isoformat() <= end:
            wrong.append(f"pod {shake.pod}: the certificate holds from {start} until {end}")
        for entry in observed.webhook_entries:
            found = problems(shake.certificate, entry.ca_bundle, entry.server_name)
            wrong += [
                f"{entry.configuration}, {entry.name}: the certificate of pod {shake.pod} is {it}" for it in found
            ]
    names = sorted({entry.server_name for entry in observed.webhook_entries})
    evidence = {
        "server_names": names,
        "entries": [entry.name for entry in observed.webhook_entries],
        "valid": [validity(shake.certificate) for shake in observed.handshakes if shake.certificate],
    }
    if wrong:
        return failed(name, "; ".join(wrong), **evidence)
    return passed(
        name,
        f"the CA bundles of {len(observed.webhook_entries)} webhook entries verify what "
        f"{len(observed.handshakes)} webhook pods serve for {', '.join(names)}",
        **evidence,
    )


def ca_bundle(observed: ObservedOperator) -> Finding:
    """The CA bundle of every webhook entry is the CA certificate in the webhook's Secret."""
    name = "webhook-ca-bundle"
    if off := webhook_off(observed.values):
        return switched_off(name, off)
    if isinstance(observed.webhook_entries, Unseen):
        return errored(name, observed.webhook_entries.reason)
    if isinstance(observed.secret_ca, Unseen):
        return errored(name, observed.secret_ca.reason)
    if not observed.secret_ca:
        return failed(name, "the webhook's Secret holds no CA certificate")
    if not observed.webhook_entries:
        return failed(name, "there is no mutating or validating webhook configuration of this release")
    other = [
        f"{entry.configuration}, {entry.name}"
        for entry in observed.webhook_entries
        if not same_certificates(entry.ca_bundle, observed.secret_ca)
    ]
    if other:
        return failed(name, f"the CA bundle is not the one in the Secret, at {'; '.join(other)}")
    return passed(name, f"{len(observed.webhook_entries)} webhook entries trust the CA in the Secret")


def mutates(observed: ObservedOperator) -> Finding:
    """Dry runs of SparkApplications that leave much out come back with the defaults of the webhook that answers.

    What this release leaves alone, and others fill in, must be left alone.
    """
    name = "admission-mutates"
    if off := webhook_off(observed.values):
        return switched_off(name, off)
    attempts = observed.sample_attempts
    if isinstance(attempts, Unseen):
        return errored(name, attempts.reason)
    releases = answering(observed)
    if not all(it.defaults for it in releases):
        return errored(name, f"the catalogue knows no default of release {releases[0].version}")
    for shape, attempt in attempts.items():
        if not attempt.accepted:
            return failed(name, f"a valid SparkApplication {shape} was refused ({attempt.status}): {attempt.message}")
    known = known_fields(observed)
    wrong = {
        shape: min((_differences(release, shape, attempt, known) for release in releases), key=len)
        for shape, attempt in attempts.items()
    }
    messages = [f"{shape}: {', '.join(lines)}" for shape, lines in wrong.items() if lines]
    by = " and ".join(it.version for it in releases)
    if messages:
        return failed(name, f"the webhook of {by} did not fill in its defaults, and no more: {'; '.join(messages)}")
    filled = {
        shape: {field: value for field, value in expected(releases[0], shape, known).items() if value is not None}
        for shape in attempts
    }
    return passed(
        name,
        f"the webhook of {by} filled in its defaults, and no more, in dry runs of {len(attempts)} SparkApplications",
        filled_in=filled,
    )


def rejects(observed: ObservedOperator) -> Finding:
    """A dry run of each invalid SparkApplication is refused, with the words of the rule that it breaks."""
    name = "admission-rejects"
    if off := webhook_off(observed.values):
        return switched_off(name, off)
    if isinstance(observed.rule_attempts, Unseen):
        return errored(name, observed.rule_attempts.reason)
    rules = {rule.name for release in answering(observed) for rule in release.rules}
    attempts = [(rule, attempt) for rule, attempt in observed.rule_attempts if rule.name in rules]
    if not attempts:
        return errored(name, f"no rule of release {answering(observed)[0].version} is known")
    wrong = []
    for rule, attempt in attempts:
        if attempt.accepted:
            wrong.append(f"{rule.name}: an application that breaks it was accepted")
        elif rule.says not in attempt.message:
            wrong.append(f"{rule.name}: refused with other words: {attempt.message}")
    evidence = {"refusals": {rule.name: attempt.message for rule, attempt in attempts}}
    if wrong:
        return failed(name, "; ".join(wrong), **evidence)
    return passed(name, f"refused by name: {', '.join(rule.name for rule, _ in attempts)}", **evidence)


def known_fields(observed: ObservedOperator) -> Callable[[str], bool]:
    """Whether the cluster's CRD of SparkApplications has a field of spec; where it was not seen, any."""
    crds = () if isinstance(observed.crds, Unseen) else observed.crds
    spec = next((it.spec for it in crds if it.name == APPLICATIONS), None)
    return lambda field: spec is None or has_field(spec, f"spec.{field}")


def _differences(release: Release, shape: str, attempt: Attempt, known: Callable[[str], bool]) -> list[str]:
    wanted = expected(release, shape, known)
    found = unlike(wanted, attempt.result.get("spec") or {})
    return [f"{field} is {value!r} instead of {wanted[field]!r}" for field, value in found.items()]
