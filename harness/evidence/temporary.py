# SPDX-License-Identifier: Apache-2.0
"""Temporary files of this process, in a folder of its own that a ledger knows, so that no kill leaves them behind.

The Kubernetes client writes certificates and private keys of a kubeconfig into the temporary folder, and removes them
only at a normal end of the process (kubernetes/config/kube_config.py, `_create_temp_file_with_content`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.evidence.folders import remove_folder
from harness.evidence.ledger import Ledger, ledger_folder, new_run_id, temp_prefix
from harness.process import RUN_VARIABLE
from harness.settings import Settings

_OUTSIDE = tempfile.gettempdir()


def outside() -> Path:
    """The temporary folder that this process was given, for what must not lie in a folder that others cannot enter."""
    return Path(_OUTSIDE)


@contextmanager
def all_in(folder: Path, *, programs: bool = True) -> Iterator[None]:
    """Let this process put its temporary files into a folder and, with `programs`, whatever it starts, too."""
    before, own = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = str(folder)
    if programs:
        os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        if own is None:
            os.environ.pop("TMPDIR", None)
        else:
            os.environ["TMPDIR"] = own


@contextmanager
def temporary(settings: Settings, *, programs: bool = True) -> Iterator[Path]:
    """A temporary folder for a command that is not a run, and a ledger that knows it; both go with the block.

    Within a run it is that of the run. `programs` as in `all_in`. Raises HostError.
    """
    now, run_id = Path(tempfile.gettempdir()), os.environ.get(RUN_VARIABLE)
    if run_id and now.name.startswith(temp_prefix(run_id)):
        yield now
        return
    with Ledger.open(new_run_id(), ledger_folder(settings)) as ledger:
        folder = ledger.temporary_folder()
        try:
            with all_in(folder, programs=programs):
                yield folder
        finally:
            if not remove_folder(folder):
                ledger.gone("folder", str(folder))
