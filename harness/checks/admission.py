# SPDX-License-Identifier: Apache-2.0
"""Claims about the webhook: its certificate is trusted, it fills in defaults, it refuses by the name of the rule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harness.releases.observe import ObservedOperator, Unseen
from harness.releases.webhook import defaults_of, problems, same_certificates, validity
from harness.verdicts import Finding, errored, failed, passed, unavailable

_OFF = "the values switch the webhook off (webhook.enable)"


def certificate(observed: ObservedOperator) -> Finding:
    """The CA bundle of every webhook entry verifies the certificate that each webhook pod serves, SAN and dates too."""
    name = "webhook-certificate"
    if _switched_off(observed):
        return unavailable(name, _OFF)
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
    if _switched_off(observed):
        return unavailable(name, _OFF)
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
        return failed(name, f"the CA bundle is not the one in the Secret: {'; '.join(other)}")
    return passed(name, f"{len(observed.webhook_entries)} webhook entries trust the CA in the Secret")


def mutates(observed: ObservedOperator) -> Finding:
    """A dry run of a SparkApplication that leaves much out comes back with the webhook's defaults filled in."""
    name = "admission-mutates"
    if _switched_off(observed):
        return unavailable(name, _OFF)
    attempt = observed.valid_attempt
    if isinstance(attempt, Unseen):
        return errored(name, attempt.reason)
    if not attempt.accepted:
        return failed(name, f"a valid SparkApplication was refused ({attempt.status}): {attempt.message}")
    spec = attempt.result.get("spec", {})
    defaults = defaults_of(observed.release.version)
    wrong = {".".join(it.path): _at(spec, it.path) for it in defaults if _at(spec, it.path) != it.value}
    if wrong:
        told = ", ".join(f"{path} is {value!r}" for path, value in wrong.items())
        return failed(name, f"the webhook did not fill in its defaults: {told}", found=wrong)
    return passed(
        name,
        f"{len(defaults)} defaults were filled in by a dry run",
        filled_in={".".join(it.path): it.value for it in defaults},
    )


def rejects(observed: ObservedOperator) -> Finding:
    """A dry run of each invalid SparkApplication is refused, with the words of the rule that it breaks."""
    name = "admission-rejects"
    if _switched_off(observed):
        return unavailable(name, _OFF)
    attempts = observed.rule_attempts
    if isinstance(attempts, Unseen):
        return errored(name, attempts.reason)
    if not attempts:
        return errored(name, f"no rule of release {observed.release.version} is known")
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


def _switched_off(observed: ObservedOperator) -> bool:
    return (observed.values.get("webhook") or {}).get("enable") is False


def _at(spec: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = spec
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
