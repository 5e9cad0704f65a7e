#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: of the registries in DOCKER_AUTH_CONFIG, testcontainers for Python logs in at the first and leaves the others out. It warns
# that the variable is experimental, and says nothing of the entries that it does not use.
#
# Guess: all entries are used, each for its registry, as GitLab's runners, from which the variable is known, read it. That
#   credsStore and credHelpers are not supported is said with a warning, which confirms the guess.
# Hurt: who moves a test suite to GHCR and adds an entry for it behind the one of Docker Hub in the CI variable: images of GHCR are pulled
#   as nobody and are refused if they are private. With the entries the other way round, Docker Hub is asked as nobody and
#   its limits for unknown users hit. Way out: a config.json with all entries below DOCKER_CONFIG, in the place of the variable.
# Versions: testcontainers 4.15.0 with docker 7.2.0.
# Source: testcontainers-python, testcontainers/core/docker_client.py, DockerClient.__init__: "Only using the first auth config".
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    testcontainers==4.15.0 docker==7.2.0

cat >"$work/show.py" <<'PYTHON'
import base64
import http.server
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import threading

PULL = """
import testcontainers.core.docker_client
client = testcontainers.core.docker_client.DockerClient()
for image in ("docker.io/team/spark", "ghcr.io/team/spark"):
    list(client.client.api.pull(image, "4.1", stream=True))
"""
pulls = {}


class Engine(http.server.BaseHTTPRequestHandler):
    """Takes every login, and notes as whom each image is pulled."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer({"ApiVersion": "1.47", "Version": "29.0"})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/images/create" in self.path:
            sent = self.headers.get("X-Registry-Auth")
            login = json.loads(base64.urlsafe_b64decode(sent)) if sent else {}
            pulls["ghcr.io" if "ghcr.io" in self.path else "docker.io"] = login.get("username")
        self.answer({"Status": "Login Succeeded"})

    def answer(self, content):
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


folder = pathlib.Path(sys.argv[1])
engine = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=engine.serve_forever, daemon=True).start()
ENTRIES = {
    "https://index.docker.io/v1/": {"auth": base64.b64encode(b"hub-bot:token").decode()},
    "ghcr.io": {"auth": base64.b64encode(b"ghcr-bot:token").decode()},
}


def pulled(order, variable):
    """As whom the images of both registries are pulled with these entries in the variable or in config.json."""
    pulls.clear()
    text = json.dumps({"auths": {key: ENTRIES[key] for key in order}})
    (folder / "config.json").write_text("{}" if variable else text)
    environment = {**os.environ, "DOCKER_CONFIG": str(folder), "DOCKER_HOST": f"tcp://127.0.0.1:{engine.server_port}"}
    environment.pop("DOCKER_AUTH_CONFIG", None)
    if variable:
        environment["DOCKER_AUTH_CONFIG"] = text
    run = subprocess.run([sys.executable, "-c", PULL], capture_output=True, text=True, env=environment, timeout=60)
    assert run.returncode == 0, run.stderr
    assert "registr" not in run.stderr.lower() and "supported" not in run.stderr.lower(), run.stderr
    print(f"{'DOCKER_AUTH_CONFIG' if variable else 'config.json'} with {order}: pulled as {pulls}")
    return dict(pulls)


print("testcontainers", importlib.metadata.version("testcontainers"))
hub, ghcr = ENTRIES
assert pulled([hub, ghcr], variable=True) == {"docker.io": "hub-bot", "ghcr.io": None}
assert pulled([ghcr, hub], variable=True) == {"docker.io": None, "ghcr.io": "ghcr-bot"}
assert pulled([hub, ghcr], variable=False) == {"docker.io": "hub-bot", "ghcr.io": "ghcr-bot"}
print("as described: of the variable, the first entry is used")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
