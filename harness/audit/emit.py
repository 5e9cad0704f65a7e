# SPDX-License-Identifier: Apache-2.0
"""Prints what keeps stale names out for good: a rule for Renovate, and a policy for Kyverno.

Both are made from the rows of releases and of their history. The keys are those of docs.renovatebot.com
(configuration-options, `replacementName`, `matchRegistryUrls`) and of kyverno.io (validate rules); that patterns take
`!` and `&` is in pkg/engine/pattern of Kyverno 1.13.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import yaml

from harness.audit.homes import Homes
from harness.audit.references import HUB_HOSTS
from harness.images.references import DOCKER_HUB
from harness.releases.charts import CHART_NAME

_HUB_IN_NAMES = sorted(it for it in HUB_HOSTS if it.endswith(DOCKER_HUB))


def renovate(homes: Homes) -> str:
    """Package rules of Renovate that replace former names by the newest release, and the Helm repository's address."""
    current = homes.current("operator")
    newest = current.versions[-1]
    rules: list[dict[str, object]] = [
        {
            "description": f"The images of the Spark Operator are in {current} from {current.versions[0]} on",
            "matchDatasources": ["docker"],
            "matchPackageNames": former_names(homes),
            "replacementName": current.name,
            "replacementVersion": newest,
        }
    ]
    if homes.charts and homes.history.helm:
        rules.append(
            {
                "description": "The former Helm repository answers no more",
                "matchDatasources": ["helm"],
                "matchPackageNames": [CHART_NAME],
                # Charts of this name from anywhere else are not upstream's.
                "matchRegistryUrls": [_address_pattern(it.address) for it in homes.history.helm],
                "registryUrls": [homes.charts[0]],
            }
        )
    schema = "https://docs.renovatebot.com/renovate-schema.json"
    return json.dumps({"$schema": schema, "packageRules": rules}, indent=2)


def kyverno(homes: Homes) -> str:
    """A ClusterPolicy of Kyverno that reports pods with images from former registries."""
    current = homes.current("operator")
    refused = " & ".join(f"!{name}{end}" for name in former_names(homes) for end in ("", ":*", "@*"))
    containers = [{"image": refused}]
    policy = {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {
            "name": "spark-operator-images",
            "annotations": {
                "policies.kyverno.io/title": "Images of the Spark Operator",
                "policies.kyverno.io/description": f"From {current.versions[0]} on, they are in {current}.",
            },
        },
        "spec": {
            "background": True,
            "rules": [
                {
                    "name": "no-former-registry",
                    "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                    "validate": {
                        "failureAction": "Audit",
                        "message": f"This registry gets no new releases of the Spark Operator: they are in {current}.",
                        "pattern": {
                            "spec": {
                                "=(initContainers)": containers,
                                "=(ephemeralContainers)": containers,
                                "containers": containers,
                            }
                        },
                    },
                }
            ],
        },
    }
    return yaml.dump(policy, Dumper=_Plain, sort_keys=False, width=10_000).rstrip("\n")


EMITTED: Mapping[str, Callable[[Homes], str]] = {"renovate": renovate, "kyverno": kyverno}
"""Name → what prints it."""


def former_names(homes: Homes) -> list[str]:
    """Every name of the operator's images that gets no new releases, as people write them."""
    current = {home.name for home in homes.all if home is homes.current(home.role)}
    names = [*(it.name for it in homes.all), *(it.name for it in homes.history.homes if it.role == "operator")]
    found: dict[str, None] = {}
    for name in dict.fromkeys(it for it in names if it not in current):
        host, _, repository = name.partition("/")
        found |= dict.fromkeys([f"{it}/{repository}" for it in _HUB_IN_NAMES] if host == DOCKER_HUB else [name])
        found |= {repository: None} if host == DOCKER_HUB else {}
    return list(found)


def _address_pattern(address: str) -> str:
    """An address as Renovate's patterns have it, with either scheme, and with or without a slash at its end."""
    escaped = address.replace(".", r"\.")
    return f"/^https?://{escaped}/?$/i"


class _Plain(yaml.SafeDumper):
    """Without anchors, which Kyverno's users would have to read."""

    def ignore_aliases(self, data: object) -> bool:
        return True
