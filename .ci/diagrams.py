# SPDX-License-Identifier: Apache-2.0
"""A hook of MkDocs: Mermaid diagrams become pictures when the site is built.

GitHub draws them in the browser. The theme would as well, with a script that each reader's browser fetches from another
host.
"""

from __future__ import annotations

from typing import Any

import merm
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Have fenced blocks of the language `mermaid` drawn by `drawn`."""
    fences = {"custom_fences": [{"name": "mermaid", "class": "diagram", "format": drawn}]}
    config.mdx_configs["pymdownx.superfences"] = fences
    return config


def drawn(source: str, _language: str, css_class: str, *_: Any, **__: Any) -> str:
    """The diagram as an inline SVG. Raises PluginError, which ends the build, for what cannot be drawn."""
    try:
        return f'<div class="{css_class}">{merm.render_diagram(source)}</div>'
    except (merm.ParseError, ValueError) as wrong:
        raise PluginError(f"a Mermaid diagram cannot be drawn: {wrong}\n{source}") from wrong
