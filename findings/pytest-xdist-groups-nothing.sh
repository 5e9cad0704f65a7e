#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with pytest 9.2, the mark `xdist_group` of pytest-xdist and `--dist loadgroup` do nothing: the tests of a group
# run on all workers, and nothing says so. With pytest 9.0 the same tests run on one worker.
#
# Guess: tests with the same `xdist_group` run on the same worker, as the documentation says; a plugin that does not fit
#   the installed pytest fails or warns.
# Hurt: whoever groups tests that share a port, a database or a cluster: they run beside each other and fail now and then;
#   and whoever groups them to make something costly once: every worker makes it, and the suite is only slower.
# Versions: pytest 9.2.0 and 9.0.2, pytest-xdist 3.8.0.
# Source: WorkerInteractor.pytest_collection_modifyitems in xdist/remote.py writes the group into `item._nodeid`, which
#   _pytest/nodes.py of 9.2 does not read any more: a node's id is in `_id`.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/test_group.py" <<'PYTHON'
import os
import time

import pytest


@pytest.mark.xdist_group("one-database")
@pytest.mark.parametrize("number", range(8))
def test_it(number):
    time.sleep(0.2)
    print("worker", os.environ["PYTEST_XDIST_WORKER"])
PYTHON

python3 -m venv "$work/venv"
workers_with() {
    "$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check "pytest==$1" pytest-xdist==3.8.0
    (cd "$work" && venv/bin/python -m pytest -p no:cacheprovider -n 2 --dist loadgroup -rP test_group.py) |
        grep -o '^worker gw[0-9]*' | sort -u | wc -l
}

before=$(workers_with 9.0.2)
now=$(workers_with 9.2.0)
echo "one group of tests ran on $before worker with pytest 9.0.2, and on $now workers with pytest 9.2.0"
[ "$before" = 1 ] && [ "$now" = 2 ]
