#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with `follow=True` the Kubeflow SDK yields what arrived together as one "line": several lines in one item, or
# one line in two. Without `follow` the same function yields lines.
#
# Guess: `get_job_logs` and `get_session_logs` yield log lines, as their documentation says, whether they follow or not.
# Hurt: who looks for a line while a Spark job runs ("Pi is roughly …", a progress line, JSON logs for a collector): it is
#   found on a quiet cluster, where each line travels alone, and missed on a busy one.
# Versions: kubeflow 0.5.0, kubernetes 35.0.0; pyspark-client 4.2.0 only for what is imported.
# Source: read_pod_logs in kubeflow/spark/backends/kubernetes/utils.py iterates urllib3's HTTPResponse.stream(), which
#   yields the chunks of the transfer.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    kubeflow==0.5.0 kubeflow-spark-api==2.4.0 kubernetes==35.0.0 pydantic==2.14.4
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check --no-deps pyspark-client==4.2.0

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import threading

from kubeflow.spark.backends.kubernetes.utils import read_pod_logs
from kubernetes import client

CHUNKS = [b"stage 1 of 2 done\nstage 2 of 2 done\nPi is ", b"roughly 3.1418\n"]
LINES = b"".join(CHUNKS).decode().splitlines()


class ApiServer(http.server.BaseHTTPRequestHandler):
    """A pod's log in HTTP chunks, which end where a write ended, not where a line does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in [*CHUNKS, b""]:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
configuration = client.Configuration()
configuration.host = f"http://127.0.0.1:{server.server_port}"
api = client.CoreV1Api(client.ApiClient(configuration))

followed = list(read_pod_logs(api, "default", "etl-driver", follow=True))
at_once = list(read_pod_logs(api, "default", "etl-driver"))
print("kubeflow", importlib.metadata.version("kubeflow"))
print("the log's lines:   ", json.dumps(LINES))
print("without follow:    ", json.dumps(at_once))
print("with follow=True:  ", json.dumps(followed))
assert at_once == [*LINES, ""], at_once
assert followed == [chunk.decode().rstrip("\n") for chunk in CHUNKS], followed
assert "Pi is roughly 3.1418" not in followed
print("as described: with follow the items are chunks, and the line with the result is in none of them")
PYTHON

"$work/venv/bin/python" "$work/show.py"
