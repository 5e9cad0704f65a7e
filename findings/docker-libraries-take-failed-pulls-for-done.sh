#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `images.pull` of the Docker SDK for Python returns the image that was there before if the pull fails on a layer, and
# `images.push` returns if the registry refuses. Nothing is raised. `followProgress` of dockerode, whose callback takes an error as
# its first argument, passes null for both.
#
# Guess: pull and push raise APIError, as they do if the registry cannot be reached at all; the documentation of `pull` says
#   "Raises: docker.errors.APIError: If the server returns an error". `docker pull` and `docker push` end with 1.
# Hurt: programs that copy images from Docker Hub to GHCR: "denied" and "toomanyrequests" of a push pass for success, and a pull of
#   a tag that has moved gives the image of last month, which is then tagged and pushed under the new name. Engines that have no
#   older image raise ImageNotFound, which names the wrong cause. Way out: `client.api.pull(..., stream=True, decode=True)` and
#   `push` with the same arguments, and a look for "error" in each line; the lines are the second argument in dockerode.
# Versions: docker 7.2.0 of PyPI, dockerode 5.0.1 of npm on Node.js 20 (the newest of each).
# Source: once an engine has reported progress, its status is 200, and what fails after that is a line in the stream
#   (moby/moby, api/server/router/image/image_routes.go: FormatError); docker/models/images.py throws the lines of a pull away and
#   returns those of a push as text; docker-modem/lib/modem.js calls onFinished(null, output) at the end of the stream.
# Needs: Node.js, npm. No engine: a socket in the temporary folder answers as one does that has an older image.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check docker==7.2.0
npm install --prefix "$work" --cache "$work/cache" --silent --no-audit --no-fund --ignore-scripts dockerode@5.0.1

cat >"$work/show.cjs" <<'JAVASCRIPT'
const Docker = require('dockerode');
const docker = new Docker({ socketPath: process.argv[2] });
const [, , , repository, tag] = process.argv;
const finished = (stream) => new Promise((resolve) => docker.modem.followProgress(stream, (error, lines) => resolve({ error, lines })));

(async () => {
  const pull = await finished(await docker.pull(`${repository}:${tag}`));
  const push = await finished(await docker.getImage(repository).push({ tag }));
  console.log(JSON.stringify({ pull, push }));
})();
JAVASCRIPT

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import docker

work = Path(sys.argv[1])
REPOSITORY, TAG, OLD = "ghcr.io/team/spark", "4.1", "sha256:" + 64 * "0"
LIMITED = "toomanyrequests: retry-after: 876µs, allowed: 44000/minute"
DENIED = "denied: permission_denied: write_package"
PULL = ({"status": "Pulling from team/spark", "id": TAG}, {"status": "Pulling fs layer", "id": "0a1b2c3d4e5f"})
PUSH = ({"status": f"The push refers to repository [{REPOSITORY}]"}, {"status": "Preparing", "id": "0a1b2c3d4e5f"})


class Engine(http.server.BaseHTTPRequestHandler):
    """What the two libraries ask of an engine: its version, an image that it has, and a pull and a push that fail."""

    protocol_version = "HTTP/1.1"

    def reply(self, *lines):
        body = b"".join(json.dumps(line).encode() + b"\r\n" for line in lines)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def do_GET(self):
        if self.path.endswith("/version"):
            return self.reply({"ApiVersion": "1.44", "MinAPIVersion": "1.24"})
        return self.reply({"Id": OLD, "RepoTags": [f"{REPOSITORY}:{TAG}"], "Created": "2026-11-01T00:00:00Z"})

    def do_POST(self):
        lines, said = (PULL, LIMITED) if "/images/create?" in self.path else (PUSH, DENIED)
        self.reply(*lines, {"errorDetail": {"message": said}, "error": said})

    def address_string(self):
        return "socket"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


engine = Server(str(work / "engine.sock"), Engine)
threading.Thread(target=engine.serve_forever, daemon=True).start()

client = docker.DockerClient(base_url=f"unix://{work}/engine.sock", timeout=60)
print("Docker SDK for Python", importlib.metadata.version("docker"))
image = client.images.pull(REPOSITORY, tag=TAG)
print("  pull returns", image.tags[0], image.id[:19], "| the engine said:", LIMITED)
said = client.images.push(REPOSITORY, tag=TAG)
print("  push returns a", type(said).__name__, "| the engine said:", DENIED)
assert image.id == OLD
assert isinstance(said, str) and DENIED in said

command = ["node", work / "show.cjs", work / "engine.sock", REPOSITORY, TAG]
run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
print("dockerode", json.loads((work / "node_modules/dockerode/package.json").read_text())["version"])
for name, told in json.loads(run.stdout).items():
    print(f"  {name}: followProgress has the error {told['error']}; the last line is {told['lines'][-1]['error']}")
    assert told["error"] is None
    assert told["lines"][-1]["error"] == {"pull": LIMITED, "push": DENIED}[name]
print("as described: what the engine could not do is reported as done")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
