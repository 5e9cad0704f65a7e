# SPDX-License-Identifier: Apache-2.0
"""Loaders and a dumper of YAML: those in C where PyYAML was built with libyaml, which take a tenth of the time."""

from __future__ import annotations

import yaml

Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""Makes plain data alone, of no class that a text names."""

BaseLoader = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
"""The same, with every scalar as the text that was written."""

Dumper = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper
