# SPDX-License-Identifier: Apache-2.0
"""The addresses that the catalogues give as sources: the only ones that a page may link, whatever else a text says."""

from __future__ import annotations

from dataclasses import fields
from functools import cache

from harness.matrix import behaviour, catalogue
from harness.toml_source import TomlSource


@cache
def own() -> frozenset[str]:
    """All of them. Raises CatalogueError."""
    upgrades = catalogue.load().upgrades
    facts = behaviour.read(TomlSource.read(behaviour.FILE))
    sources = [str(it.source) for table in fields(facts) for it in getattr(facts, table.name)]
    breaks = [*(it.link for it in upgrades.known), *(it.link for it in upgrades.notes)]
    return frozenset((*breaks, *sources))
