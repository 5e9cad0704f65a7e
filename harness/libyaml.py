# SPDX-License-Identifier: Apache-2.0
"""Loaders and a dumper of YAML: those in C where PyYAML was built with libyaml, which take a tenth of the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_SAFE = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class Loader(_SAFE):  # type: ignore[misc, valid-type]
    """Makes plain data alone, of no class that a text names. All that it raises is yaml.YAMLError."""


def _told(construct: Callable[[Any, Any], Any], kind: str) -> Callable[[Any, Any], Any]:
    """What constructs a scalar, whose errors PyYAML lets pass: of a number with more digits than Python takes, of the
    31st of February, of a text with a tag that does not fit.
    """

    def constructed(loader: Any, node: Any) -> Any:
        try:
            return construct(loader, node)
        except (ValueError, LookupError, AttributeError, OverflowError) as wrong:
            raise yaml.constructor.ConstructorError(
                None, None, f"{node.value[:40]!r} is not a {kind} that can be read", node.start_mark
            ) from wrong

    return constructed


for _kind in ("bool", "int", "float", "timestamp"):
    _tag = f"{_TAG}{_kind}"
    Loader.add_constructor(_tag, _told(_SAFE.yaml_constructors[_tag], _kind))


def _binary(loader: Any, node: Any) -> str:
    text: bytes = loader.construct_yaml_binary(node)
    return text.decode("utf-8")


# What JSON has no form for, as go-yaml reads it for Helm and kubectl (v2, decode.go): a text, mappings and lists.
Loader.add_constructor(f"{_TAG}binary", _told(_binary, "text in base64"))
Loader.add_constructor(f"{_TAG}set", Loader.construct_yaml_map)
Loader.add_constructor(f"{_TAG}omap", Loader.construct_yaml_seq)
Loader.add_constructor(f"{_TAG}pairs", Loader.construct_yaml_seq)

BaseLoader = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
"""The same, with every scalar as the text that was written."""

Dumper = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper
