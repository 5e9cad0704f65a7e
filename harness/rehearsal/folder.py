# SPDX-License-Identifier: Apache-2.0
"""The folder of a rehearsal: what the run is given, as files that a reader can look at, change and run again."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness import named_files
from harness.errors import HostError, UsageError
from harness.options import RunOptions, words
from harness.rehearsal.plan import Plan

README, VALUES, BEFORE, APPS = "README.md", "values.yaml", "before", "apps"
_TITLE = "# Rehearsal of "


def write(target: Path, plan: Plan, given: RunOptions) -> RunOptions:
    """Write what a plan needs into a folder, in the place of an older rehearsal; returns what the run is asked for.

    Raises UsageError for a folder with something else in it, HostError where nothing can be written.
    """
    if os.path.lexists(target) and not named_files.is_own_folder(target, {README: _TITLE}, (VALUES, BEFORE, APPS)):
        raise UsageError(
            f"{target} is there already, and is not a rehearsal, or has more in it", "give another folder with -o"
        )
    options = plan.options(given, target)
    try:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(mode=0o700, parents=True)
        if plan.values:
            _dump(target / VALUES, [plan.values])
        for name, objects in plan.before.items():
            _dump(target / BEFORE / f"{name}.yaml", objects)
        for name, objects in plan.applications.objects.items():
            _dump(target / APPS / f"{name}.yaml", objects)
        (target / README).write_text(_readme(plan, options), encoding="utf-8")
    except OSError as refused:
        raise HostError(f"{target} cannot be written: {refused.strerror}", "give another folder with -o") from refused
    return options


def _dump(file: Path, documents: Iterable[Mapping[str, Any]]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = yaml.safe_dump_all(map(dict, documents), sort_keys=False, allow_unicode=True, width=120)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)


def _readme(plan: Plan, options: RunOptions) -> str:
    counts = [f"- {number} {kind}" for kind, number in plan.applications.counts.items()]
    return f"""\
{_TITLE}{plan.reading.site.context or "a cluster"}: {plan.origin} → {plan.target}

On {plan.environment}, Kubernetes {plan.kubernetes}, from the snapshot of {plan.reading.site.made}. The same again:

```sh
harness run {shlex.join(words(options))}
```

## Applications

{_lines(counts) or "None."}

## Moves

{_lines(f"- {it.what}: `{it.path}`" for it in plan.moves)}

## Different from the site

{_lines(f"- {it}" for it in plan.otherwise) or "Nothing."}
"""


def _lines(found: Iterable[str] | Sequence[str]) -> str:
    return "\n".join(found)
