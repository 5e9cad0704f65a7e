# SPDX-License-Identifier: Apache-2.0
"""What values ask of a release that its checks must know: what is switched off, and how admission is to fail.

A switch is off where a template of the chart would take it for off: false, and what else Go's templates find empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.matrix.model import Granted
from harness.matrix.release import Release
from harness.releases.chart_image import rendered
from harness.releases.namespaces import takes_any
from harness.releases.values import at

Values = Mapping[str, Any]


def webhook_off(values: Values) -> str:
    """Why there is no webhook, in words; empty where there is one."""
    return "the webhook is disabled in the values (webhook.enable)" if off(values, "webhook.enable") else ""


def metrics_off(values: Values) -> str:
    """Why there are no metrics, in words; empty where there are."""
    return (
        "metrics are disabled in the values (prometheus.metrics.enable)"
        if off(values, "prometheus.metrics.enable")
        else ""
    )


def lets_pass(values: Values) -> bool:
    """Whether the API server lets pass what it cannot ask the webhook about (webhook.failurePolicy: Ignore)."""
    return bool(at(values, "webhook.failurePolicy") == "Ignore")


def watches_all(values: Values) -> bool:
    """Whether the operator watches any namespace: one of spark.jobNamespaces has an empty name, or the selector beside
    them takes in those without labels.
    """
    return "" in (at(values, "spark.jobNamespaces") or ()) or takes_any(at(values, "spark.jobNamespaceSelector"))


def operator_image(release: Release, values: Values) -> str:
    """The operator's image after the user's values, which do not move the operator under test."""
    if release.under_test:
        return release.image
    own = {"registry": release.registry, "repository": release.repository, "version": release.version}
    return rendered(values, "image", **own).text


def hook_image(release: Release, values: Values) -> str:
    """The image of the chart's hook after the user's values; empty of a release without one."""
    if release.under_test or not release.hook_image:
        return release.hook_image
    own = {"registry": release.hook_registry, "repository": release.hook_repository, "version": release.version}
    return rendered(values, "hook.image", **own).text


def sidecar_images(values: Values) -> Iterator[str]:
    """The images of the user's own containers beside the operator's."""
    yield from (image for _, image in _of_sidecars(values))


def keys_of_images(release: Release, values: Values) -> Iterator[tuple[str, str]]:
    """The images that are of the user's values and not the release's own, each with the key that says so."""
    for key, image, own in (
        ("image", operator_image(release, values), release.image),
        ("hook.image", hook_image(release, values), release.hook_image),
    ):
        if image != own:
            named = [it for it in ("tag", "repository", "registry") if at(values, f"{key}.{it}") not in (None, "")]
            yield image, f"{key}.{named[0]}" if named else key
    yield from ((image, key) for key, image in _of_sidecars(values))


def _of_sidecars(values: Values) -> Iterator[tuple[str, str]]:
    for part in ("controller", "webhook"):
        given = at(values, f"{part}.sidecars")
        for number, it in enumerate(given if isinstance(given, list) else ()):
            image = at(it, "image")
            if isinstance(image, str) and image:
                yield f"{part}.sidecars[{number}].image", image


def why_not(granted: Iterable[Granted], values: Values) -> str:
    """Why values do not give what a scenario takes for granted, in words; empty where they do."""
    reasons: Mapping[Granted, str] = {
        "webhook": _without_webhook(values),
        "named-namespaces": _everywhere(values),
        "runs-by-the-second": _by_the_minute(values),
    }
    return "; ".join(reasons[it] for it in granted if reasons[it])


def _without_webhook(values: Values) -> str:
    off = webhook_off(values)
    return f"only the webhook puts its volumes and limits into pods, and {off}" if off else ""


def _everywhere(values: Values) -> str:
    named = "" in (at(values, "spark.jobNamespaces") or ())
    why = "spark.jobNamespaces has an empty name" if named else "spark.jobNamespaceSelector takes in any"
    everywhere = f"the operator watches all namespaces by the values ({why})"
    return f"it needs a namespace that is not watched, and {everywhere}" if watches_all(values) else ""


def _by_the_minute(values: Values) -> str:
    switch = "controller.scheduledSparkApplicationTimestampPrecision"
    named = "its schedule fires several times a minute, and runs are named by the minute in the values"
    return f"{named} ({switch})" if at(values, switch) == "minutes" else ""


def off(values: Values, switch: str) -> bool:
    """Whether a switch is set, and to something that a template takes for off; a null takes away the default too."""
    *above, last = switch.split(".")
    there = at(values, ".".join(above))
    return isinstance(there, Mapping) and last in there and not there[last]
