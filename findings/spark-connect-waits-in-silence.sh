#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `SparkSession.builder.remote(…).getOrCreate()` succeeds where no server listens, and what is asked of the session first then waits
#   for ten minutes, without a line of output, before it says that the connection was refused.
#
# Guess: making a session connects, so that a wrong address fails there and soon; a refused connection on the first call of all is an
#   error, or repeated for some seconds with a warning.
# Hurt: who probes a SparkConnect with "can I get a session?" (start-up checks, fixtures, `wait` steps before an upgrade): the answer is yes for
#   a server that is not ready, for a wrong port and for a Service without endpoints. Whatever comes next seems to hang: a task's or a probe's
#   time is over first, so that nobody sees the reason. Way out: ask for `spark.version` in a probe, after
#   `spark.client.set_retry_policies` with a policy of less than 15 retries.
# Versions: pyspark-client 4.2.0 on Python 3.11.
# Source: python/pyspark/sql/connect/client/retries.py of apache/spark: DefaultPolicy repeats UNAVAILABLE 15 times, with pauses from 50 ms to
#   60 s, and its lines are logged only where SPARK_CONNECT_LOG_LEVEL is set; SparkConnectClient opens its channel lazily.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-cache-dir --no-compile --disable-pip-version-check pyspark-client==4.2.0 pandas==2.3.3

cat >"$work/program.py" <<'PYTHON'
import sys

from pyspark.sql import SparkSession

session = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
print("there is a session", flush=True)
print("version", session.version, flush=True)
PYTHON
cat >"$work/show.py" <<'PYTHON'
import importlib.metadata
import socket
import subprocess
import sys
from pathlib import Path

from pyspark.sql.connect.client.retries import DefaultPolicy

SECONDS = 75
print("pyspark-client", importlib.metadata.version("pyspark-client"))
with socket.socket() as taken:  # bound, and nobody listens: connections are refused
    taken.bind(("127.0.0.1", 0))
    url = f"sc://127.0.0.1:{taken.getsockname()[1]}"
    said = Path(sys.argv[1], "said")
    with said.open("w") as output:
        program = [sys.executable, "-W", "ignore", f"{sys.argv[1]}/program.py", url]
        running = subprocess.Popen(program, stdout=output, stderr=subprocess.STDOUT)
        try:
            ended = running.wait(SECONDS)
        except subprocess.TimeoutExpired:
            ended = None
        running.kill()
        running.wait()
print(f"after {SECONDS} s:", "it waits" if ended is None else f"it has ended with {ended}")
print("its output:", said.read_text().strip()[:300])
policy = DefaultPolicy()
pauses = [min(policy.max_backoff, policy.initial_backoff * policy.backoff_multiplier**n) for n in range(policy.max_retries)]
print(f"{len(pauses)} pauses of the default policy: {sum(pauses) / 1000:.0f} s without what is added at random")
if ended is not None or said.read_text() != "there is a session\n" or sum(pauses) < 600_000:
    sys.exit("the behaviour has changed")
print("as described: a session without a server, and then nothing for minutes")
PYTHON

"$work/venv/bin/python" -W ignore "$work/show.py" "$work"
