# SPDX-License-Identifier: Apache-2.0
"""What the target's templates, Kubernetes or the operator refuse of a user's values, and what works badly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.advice.remarks import End, Remark, read
from harness.audit.expressions import is_known
from harness.releases import as_pods, key_names, refused_objects, refused_values, value_kinds
from harness.releases.values import at, merge
from harness.report.advice import Sentence

Values = Mapping[str, Any]

_PRIVILEGED = 1024
_BIND = "https://github.com/kubeflow/spark-operator/issues/2331"


def remarks(values: Values, above: str, target: End) -> Iterator[Remark]:
    """What is refused of these values, over those of the target's chart; nothing where these are not known."""
    if target.defaults is None:
        return
    for it in refused_values.found(values, target.defaults, target.name):
        # What an image is called is judged as a whole, in `harness/advice/images.py`.
        if is_known(str(it.value)) and not it.key.endswith("image.repository"):
            text, (do, what) = f"{above}{it.key} {it.why}", it.step
            yield Remark(sentence=read(text, target), step=f"{do}{above}{what}", stops=True)
    used = merge(target.defaults, values)
    yield from _no_pods_of_kubernetes(values, above, target)
    yield from _without_pods(used, above, target)
    yield from _below_1024(used, above)
    yield from _without_leader(used, above, target)
    yield from _global(values, target)


def _no_pods_of_kubernetes(values: Values, above: str, target: End) -> Iterator[Remark]:
    """What the templates pass on and no API server takes, unless it is told of already, or still to be filled in."""
    defaults = target.defaults or {}
    told = [it.key for it in refused_values.found(values, defaults, target.name)]
    told += [it.key for it in value_kinds.wrong(values, defaults, "")]
    objects = list(as_pods.deployments(values, merge(defaults, values)))
    for it in refused_objects.found(objects, values):
        if is_known(it.why) and not any(_is_within(it.key, other) or _is_within(other, it.key) for other in told):
            yield Remark(
                sentence=read(f"{above}{it.key} {it.why}", target), step=f"correct {above}{it.key}", stops=True
            )


def _is_within(key: str, above: str) -> bool:
    return key == above or key.startswith((f"{above}.", f"{above}["))


def _without_pods(used: Values, above: str, target: End) -> Iterator[Remark]:
    """A part of the operator that is switched off by its replicas."""
    effects = {"controller": "no application is started", "webhook": "with failurePolicy: Fail no create is accepted"}
    for part, effect in effects.items():
        if str(at(used, f"{part}.replicas")) == "0" and (part == "controller" or at(used, "webhook.enable")):
            text = f"{above}{part}.replicas is 0: there is no {part}, and {effect}"
            yield Remark(sentence=read(text, target), step=f"set {above}{part}.replicas to 1 or more")


def _below_1024(used: Values, above: str) -> Iterator[Remark]:
    """A port of the webhook's that not everybody may listen on; as root it may, wherever it runs."""
    port, user = at(used, "webhook.port"), at(used, "webhook.securityContext.runAsUser")
    if at(used, "webhook.enable") and str(port).isdigit() and 0 < int(str(port)) < _PRIVILEGED and user != 0:
        text = (
            f"{above}webhook.port is {port}: the webhook does not run as root, and may listen below {_PRIVILEGED} only "
            "where the container runtime lets every user do so, as containerd does from 2.0 on; elsewhere it ends with "
            "bind: permission denied"
        )
        yield Remark(sentence=Sentence(text=text, origin="from the catalogue", where=_BIND))


def _without_leader(used: Values, above: str, target: End) -> Iterator[Remark]:
    """Several controllers of which each does all the work."""
    key = "controller.leaderElection.enable"
    replicas = at(used, "controller.replicas")
    if at(used, key) is False and isinstance(replicas, int) and replicas > 1:
        text = f"{above}{key} is false with several replicas: each of them submits every application"
        yield Remark(sentence=read(text, target), step=f"set {above}{key} to true, or {above}controller.replicas to 1")


def _global(values: Values, target: End) -> Iterator[Remark]:
    """Settings for all charts that this one does not read."""
    for key in key_names.unread(values):
        text = f"{key} has no effect on the operator: the chart of {target.name} reads nothing below global"
        yield Remark(sentence=read(f"{text}; it has image.registry and image.pullSecrets", target))
