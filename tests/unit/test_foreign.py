# SPDX-License-Identifier: Apache-2.0
"""Kinds of other operators are taken for there when values use them, and an add-on has the CRDs of each."""

from __future__ import annotations

from harness.matrix import catalogue
from harness.releases import foreign
from harness.releases.values import at


def test_kinds_follow_the_values() -> None:
    assert foreign.api_versions({}) == []
    assert foreign.api_versions({"prometheus": {"podMonitor": {"create": False}}}) == []
    assert "cert-manager.io/v1/Issuer" in foreign.api_versions({"certManager": {"enable": True}})


def test_every_switch_of_an_add_on_brings_kinds() -> None:
    switches = [it for addon in catalogue.load().addons for it in addon.for_values]
    assert switches
    for switch in switches:
        *above, last = switch.split(".")
        values: dict[str, object] = {last: True}
        for key in reversed(above):
            values = {key: values}
        assert at(values, switch)
        assert foreign.api_versions(values)
