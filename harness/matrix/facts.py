# SPDX-License-Identifier: Apache-2.0
"""What is known of releases, as frozen models: the rows of charts/behaviour.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from harness.matrix.rows import Model
from harness.matrix.versions import within


class Fact(Model):
    """A fact about releases from `since` up to `until`, if given; `source` is its reference."""

    since: str
    until: str = ""
    source: str = Field(pattern=r"^https://[^\s/]+/\S+$")

    def holds(self, version: str) -> bool:
        """Whether it applies to this release."""
        return within(version, self.since, self.until)


DYNAMIC = "dynamicAllocation"
"""In conditions of defaults: an application with dynamic allocation enabled in its spec."""


class Default(Fact):
    """A default that the mutating webhook sets in a SparkApplication whose spec does not set `field`.

    `only_with` is what spec must also have for that; with any of `unless`, which are keys of sparkConf or
    DYNAMIC, the field is not set, and Spark uses its own default, `spark`.
    """

    field: str = Field(pattern=r"^[a-z]\w*(\.[a-z]\w*)*$")
    value: bool | int | str
    spark: bool | int | str | None = None
    only_with: Literal["", "sparkConf", "dynamicAllocation"] = ""
    unless: tuple[str, ...] = ()

    def applies(self, spec: Mapping[str, Any]) -> bool:
        """Whether an application with this spec gets the value."""
        conf = spec.get("sparkConf")
        dynamic = bool((spec.get("dynamicAllocation") or {}).get("enabled"))
        with_it = {"": True, "sparkConf": conf is not None, DYNAMIC: dynamic}[self.only_with]
        without = all(not (dynamic if it == DYNAMIC else (conf or {}).get(it)) for it in self.unless)
        return with_it and without


class Rule(Fact):
    """What the validating webhook rejects, with its message.

    `breaks` is the change to a valid application that violates this rule, and no other.
    """

    name: str
    says: str = Field(min_length=1)
    breaks: dict[str, Any] = Field(min_length=1)


class RefusedConf(Fact):
    """Keys of sparkConf that the validating webhook rejects, each with what to write instead."""

    name: str
    keys: dict[str, str] = Field(min_length=1)


Check = Literal[
    "one-node-selector",
    "driver-ingress",
    "pod-template",
    "connect-without-template",
    "name",
    "run-name",
    "server-name",
    "connect-image",
    "connect-memory",
    "connect-executors",
    "driver-claim",
    "conf",
]
"""A look at a stored application: `harness.advice.objects` has each."""


class StoredCheck(Fact):
    """What stored objects of these kinds may run into, if they are as the check of this name finds them."""

    check: Check
    kinds: tuple[Literal["SparkApplication", "ScheduledSparkApplication", "SparkConnect"], ...] = Field(min_length=1)

    @property
    def about(self) -> str:
        """What no other row may be about at the same time."""
        return f"{self.check} of {' and '.join(self.kinds)}"


SUSPEND = "suspend"
"""The feature that more than one scenario needs."""


class Feature(Fact):
    """A feature for applications; scenarios name it in `needs_features`. `means` describes it."""

    name: str
    means: str = Field(min_length=1)


class Metric(Fact):
    """A metric of the controller. It is on the endpoint once what it counts has happened."""

    name: str


class LogNoise(Fact):
    """Harmless log lines that look like errors: a regular expression, and the reason."""

    says: str
    why: str = Field(min_length=1)


class IgnoredValue(Fact):
    """A value of the chart, with dots, that the release does not heed: `means` says what it does instead."""

    value: str
    means: str = Field(min_length=1)
    way_out: str = Field(min_length=1)


class UnmetRight(Fact):
    """A value of the chart that makes its controller or webhook, the `component`, do what its Role does not allow.

    `argument` is the component's, by which it is seen that the value is on; `verbs` are what the Role lacks for a
    `resource` of an `api_group`. `means` says what comes of it.
    """

    value: str
    component: Literal["controller", "webhook"] = "controller"
    argument: str
    api_group: str
    resource: str
    verbs: tuple[str, ...] = Field(min_length=1)
    means: str = Field(min_length=1)
    way_out: str = Field(min_length=1)


class GrantedRight(Fact):
    """What the chart lets an account do in job namespaces, up to the release in which it was taken away.

    `component` is the account's; `rights` are resource, with its API group unless that is the core, → verbs.
    """

    component: Literal["controller", "webhook"]
    rights: dict[str, tuple[str, ...]] = Field(min_length=1)

    def __str__(self) -> str:
        return "; ".join(f"{', '.join(verbs)} {resource}" for resource, verbs in self.rights.items())
