# SPDX-License-Identifier: Apache-2.0
"""Values files in languages that are no YAML, refused by name with the command that makes YAML of them."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import UsageError

_DEPLOYED = "helm get values {release} --namespace {namespace} --output yaml > values.yaml"
_HCL, _CODE = (f"give the values of the release, as it is deployed: `{_DEPLOYED}`", "give the YAML that it makes")
_LANGUAGES = {
    **dict.fromkeys((".tf", ".tofu", ".hcl", ".tfvars"), ("written in HCL", _HCL)),
    **dict.fromkeys((".jsonnet", ".libsonnet"), ("written in Jsonnet", "`jsonnet {file} > values.json`")),
    ".cue": ("written in CUE", "`cue export --out yaml {file} > values.yaml`"),
    ".dhall": ("written in Dhall", "`dhall-to-yaml --file {file} > values.yaml`"),
    ".nix": ("written in Nix", "`nix eval --json --file {file} > values.json`"),
    ".pkl": ("written in Pkl", "`pkl eval --format yaml {file} > values.yaml`"),
    ".k": ("written in KCL", "`kcl run {file} > values.yaml`"),
    ".toml": ("written in TOML", "`yq --input-format toml --output-format yaml {file} > values.yaml`"),
    ".properties": ("a properties file", "`yq --input-format props --output-format yaml {file} > values.yaml`"),
    **dict.fromkeys((".ts", ".js", ".py", ".go", ".java", ".kt", ".rb", ".cs"), ("code", f"{_CODE}, or {_HCL}")),
}
"""Ending of a name → what the file is, and what to do."""

_NAMED = {
    key: re.compile(rf"^\s*{it}\s*=\s*\"([^\"$.]+)\"", re.M) for key, it in (("release", "name"), ("namespace",) * 2)
}


def refuse(path: Path, text: str) -> None:
    """Raise UsageError for a values file whose ending says that it is of another language; the text fills in names."""
    if path.suffix.lower() not in _LANGUAGES:
        return
    what, step = _LANGUAGES[path.suffix.lower()]
    found = {key: pattern.findall(text) for key, pattern in _NAMED.items()}
    # One of several releases in it would be a guess.
    names = {key: it[0] if len(it) == 1 else key.upper() for key, it in found.items()}
    raise UsageError(f"the values file {path} is {what}, and Helm reads YAML", step.format(file=path, **names))
