# SPDX-License-Identifier: Apache-2.0
"""Looks at stored applications: what the target's schema drops or refuses, and what its webhook refuses.

The webhook looks at an object when it is created, and when its spec is changed. Stored applications therefore go on;
what is made anew is refused, and so is each run that a schedule makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.advice import schemas
from harness.advice.ends import Schema
from harness.advice.remarks import Remark
from harness.apps.objects import GROUP, RESOURCES
from harness.audit.expressions import is_known
from harness.matrix.facts import Check, StoredCheck
from harness.matrix.release import Release
from harness.matrix.versions import numbers
from harness.report.advice import Origin, Sentence
from harness.wording import counted, first_few

APPLICATION, SCHEDULED, CONNECT = "SparkApplication", "ScheduledSparkApplication", "SparkConnect"

_VERSIONS = {it.kind: it.version for it in RESOURCES}
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_JAVA_SIZE = re.compile(r"\d+([ptgmk]b?|b)?")
_CLAIM = re.compile(r"(spark\.kubernetes\.driver\.volumes\.persistentVolumeClaim\.[^.]+)\.options\.claimName")
_ON_DEMAND = "OnDemand"
_LABEL = 63
_RUN_SUFFIX = 20
"""A dash and the nanoseconds since 1970, which the operator appends to the name of a schedule for each run."""

_SERVER_SUFFIX = len("-server")
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A stored application, or one in a file. `where` is how it is called: `etl/nightly`, `nightly.yaml:3`.

    `version` is the apiVersion that a file has, empty for what an API server gave.
    """

    kind: str
    name: str
    where: str
    namespace: str
    spec: Mapping[str, Any]
    version: str = ""

    @property
    def run(self) -> Mapping[str, Any]:
        """The spec of an application; of a schedule that of its runs."""
        inner = self.spec.get("template") if self.kind == SCHEDULED else self.spec
        return inner if isinstance(inner, Mapping) else {}

    @property
    def conf(self) -> Mapping[str, Any]:
        """Its sparkConf."""
        found = self.run.get("sparkConf")
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """What is wrong with one object; the same words of many objects make one sentence."""

    words: str
    step: str
    origin: Origin
    link: str
    stops: bool = False


def look(objects: Iterable[Stored], target: Release, schema: Schema | None) -> list[Remark]:
    """What the target makes of applications, a sentence for each kind of trouble, with the first few names."""
    found: dict[tuple[str, _Problem], list[str]] = {}
    count: dict[str, int] = {}
    for stored in objects:
        count[stored.kind] = count.get(stored.kind, 0) + 1
        for problem in dict.fromkeys((*_by_schema(stored, target, schema), *_by_rules(stored, target))):
            found.setdefault((stored.kind, problem), []).append(stored.where)
    return [
        *(_told(kind, problem, names, count[kind]) for (kind, problem), names in found.items()),
        *_fine(count, {kind for kind, _ in found}, target, schema),
    ]


def _told(kind: str, problem: _Problem, names: Sequence[str], of: int) -> Remark:
    shown = first_few(names, _NAMED)
    text = f"{len(names)} of {of} {kind}s ({shown}): {problem.words}"
    sentence = Sentence(text=text, origin=problem.origin, where=problem.link)
    return Remark(sentence=sentence, step=f"{problem.step}: {shown}" if problem.step else "", stops=problem.stops)


def _fine(count: Mapping[str, int], troubled: set[str], target: Release, schema: Schema | None) -> Iterator[Remark]:
    good = [counted(number, kind) for kind, number in count.items() if kind not in troubled]
    if good and schema:
        part = "" if schema.whole else "; parts of the Pod API in them were not looked at"
        text = f"{' and '.join(good)}: nothing that {target.name} would drop or refuse{part}"
        yield Remark(sentence=Sentence(text=text, origin="from the schema", where=schema.where))


def _by_schema(stored: Stored, target: Release, schema: Schema | None) -> Iterator[_Problem]:
    served = f"{GROUP}/{_VERSIONS[stored.kind]}"
    if stored.version not in ("", served):
        yield _Problem(
            words=f"its apiVersion is {stored.version}, and the CRDs of {target.name} serve {served} alone",
            step=f"write apiVersion: {served}",
            origin="from the catalogue",
            link="https://github.com/kubeflow/spark-operator/tree/v2.5.2/api",
        )
    if schema is None:
        return
    wanted = schema.kinds.get(stored.kind)
    if wanted is None:
        words = f"{target.name} does not have the kind {stored.kind}"
        yield _Problem(words=words, step="", origin="from the schema", link=schema.where, stops=True)
        return
    for it in schemas.misfits(stored.spec, wanted):
        words = {
            "dropped": f"{it.path} is dropped the next time that the object is written: {it.why}",
            "refused": f"{it.path} does not fit the schema of {target.name}: {it.why}",
        }[it.kind]
        step = f"correct {it.path}" if it.kind == "refused" else f"remove {it.path}, or do without it"
        yield _Problem(words=words, step=step, origin="from the schema", link=schema.where)


def _by_rules(stored: Stored, target: Release) -> Iterator[_Problem]:
    for row in target.stored_checks:
        if stored.kind in row.kinds:
            yield from CHECKS[row.check](stored, target, row)


def _refused(words: str, step: str, row: StoredCheck, stored: Stored) -> _Problem:
    """A refusal by the webhook, and when it comes."""
    when = "each of its runs is refused" if stored.kind == SCHEDULED else "refused when it is made anew or changed"
    return _Problem(words=f"{words}: {when}", step=step, origin="from the catalogue", link=row.source)


def _conf(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    for key in stored.conf:
        instead = target.refused_conf.get(key)
        if instead:
            words = f"the webhook of {target.name} refuses the sparkConf key {key}"
            yield _refused(words, f"take {key} out of sparkConf and use {instead}", row, stored)
    namespace = stored.conf.get("spark.kubernetes.namespace")
    known = is_known(stored.namespace) and is_known(str(namespace))
    if namespace is not None and stored.namespace and known and namespace != stored.namespace:
        words = f"the webhook of {target.name} refuses spark.kubernetes.namespace other than the application's own"
        yield _refused(words, "take spark.kubernetes.namespace out of sparkConf", row, stored)


def _name(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    if not is_known(stored.name):
        # A template, which may become anything.
        return
    if not _DNS_1035.fullmatch(stored.name) or len(stored.name) > _LABEL:
        words = "its name is not a DNS label (RFC 1035: it begins with a letter, at most 63 of a-z, 0-9 and -)"
        yield _refused(words, "make it anew under such a name", row, stored)


def _run_name(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    if is_known(stored.name) and len(stored.name) + _RUN_SUFFIX > _LABEL:
        words = f"the names of its runs, NAME and {_RUN_SUFFIX} characters, are longer than {_LABEL}"
        yield _refused(words, "make it anew under a shorter name", row, stored)


def _server_name(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    if is_known(stored.name) and len(stored.name) + _SERVER_SUFFIX > _LABEL:
        words = f"the name of its Service, NAME-server, is longer than {_LABEL} characters"
        yield _refused(words, "make it anew under a shorter name", row, stored)


def _selectors(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    pods = [stored.run.get(role) for role in ("driver", "executor")]
    inner = any(isinstance(it, Mapping) and it.get("nodeSelector") is not None for it in pods)
    if stored.run.get("nodeSelector") is not None and inner:
        words = "it has a nodeSelector of its own and one of its driver or executor"
        yield _refused(words, "keep one of its node selectors", row, stored)


def _template(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    pods = [stored.run.get(role) for role in ("driver", "server", "executor")]
    templates = any(isinstance(it, Mapping) and it.get("template") is not None for it in pods)
    version = str(stored.run.get("sparkVersion") or "")
    if templates and version and _older_than_3(version):
        words = f"it has a pod template and sparkVersion {version}, which must be 3.0.0 or newer for that"
        yield _refused(words, "correct sparkVersion", row, stored)


def _older_than_3(version: str) -> bool:
    try:
        return numbers(version) < (3, 0, 0)
    except ValueError:
        return False


def _ingress(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    given = [it for it in stored.run.get("driverIngressOptions") or () if isinstance(it, Mapping)]
    for key in ("servicePort", "ingressURLFormat"):
        values = [it.get(key) for it in given]
        if not all(values) or len(set(map(str, values))) < len(values):
            words = f"its driverIngressOptions must each have a {key} of their own"
            step = f"give each of driverIngressOptions a {key}"
            yield _refused(words, step, row, stored)


def _driver_claims(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    """A claim that is made for a driver is made by who submits it: the controller. Spark makes one that has a size."""
    named = [found[1] for key, value in stored.conf.items() if value == _ON_DEMAND and (found := _CLAIM.fullmatch(key))]
    if any(f"{volume}.options.sizeLimit" in stored.conf for volume in named):
        yield _Problem(
            words=f"a volume of its driver is a claim made on demand, which the controller of {target.version} may not "
            "create: each submission fails with persistentvolumeclaims is forbidden",
            step="let the controller's account get, create and patch persistentvolumeclaims by a Role of your own",
            origin="from the catalogue",
            link=row.source,
        )


def _connect_template(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    executor = stored.spec.get("executor")
    if isinstance(executor, Mapping) and not executor.get("template"):
        words = f"the controller of {target.name} panics at a SparkConnect without spec.executor.template"
        yield _Problem(
            words=words,
            step=f"add spec.executor.template with a container, or upgrade to a release after {row.until}",
            origin="from the catalogue",
            link=row.source,
        )


def _connect_image(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    def has(role: str) -> bool:
        found: Any = stored.spec.get(role)
        for key in ("template", "spec", "containers"):
            found = found.get(key) if isinstance(found, Mapping) else None
        return any(isinstance(it, Mapping) and it.get("image") for it in found or ())

    if not stored.spec.get("image") and not (has("server") and has("executor")):
        words = "it has neither spec.image nor images in both pod templates"
        yield _refused(words, "set spec.image", row, stored)


def _connect_memory(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    for role in ("server", "executor"):
        pod = stored.spec.get(role)
        memory = pod.get("memory") if isinstance(pod, Mapping) else None
        if memory and not _JAVA_SIZE.fullmatch(str(memory).strip().lower()):
            words = f"its {role}.memory is not a number of bytes with a unit of Java, such as 512m"
            yield _refused(words, f"write {role}.memory as 512m", row, stored)


def _connect_range(stored: Stored, target: Release, row: StoredCheck) -> Iterator[_Problem]:
    given = stored.spec.get("dynamicAllocation")
    if not isinstance(given, Mapping) or not given.get("enabled"):
        return
    ordered = [given[key] for key in ("minExecutors", "initialExecutors", "maxExecutors") if given.get(key) is not None]
    if ordered != sorted(ordered) or any(it < 0 for it in ordered):
        words = "its dynamicAllocation has executors that are not minExecutors <= initialExecutors <= maxExecutors"
        yield _refused(words, "correct dynamicAllocation", row, stored)


CHECKS: Mapping[Check, Callable[[Stored, Release, StoredCheck], Iterator[_Problem]]] = {
    "one-node-selector": _selectors,
    "driver-ingress": _ingress,
    "pod-template": _template,
    "connect-without-template": _connect_template,
    "name": _name,
    "run-name": _run_name,
    "server-name": _server_name,
    "connect-image": _connect_image,
    "connect-memory": _connect_memory,
    "connect-executors": _connect_range,
    "driver-claim": _driver_claims,
    "conf": _conf,
}
"""Each by its name in charts/behaviour.toml."""
