#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `login` of the Docker SDK for Python, with a user name for which there is a login in memory or in config.json, asks nobody:
# it passes over the password that it was given, returns the old one as its answer, and pulls go on with the old one.
#
# Guess: a login is checked by the engine, as `docker login` does it, and what it was given last is used from then on. The first
#   login of a process asks the engine, and a login by another name, too.
# Hurt: who renews a token in a program that runs for long, or logs in at GHCR with the token of the CI job where config.json has
#   last month's of the same user: `login` succeeds and pulls are refused, or, the other way round, a wrong new token passes the
#   check and only a new machine finds out. testcontainers calls the same `login` for DOCKER_AUTH_CONFIG. Way out: `reauth=True`.
# Versions: docker 7.2.0.
# Source: docker-py, docker/api/daemon.py, DaemonApiMixin.login: returns the entry of the registry if its user name is equal and
#   reauth is not set; `reauth` is documented as "refresh existing authentication on the Docker server".
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check docker==7.2.0

cat >"$work/show.py" <<'PYTHON'
import base64
import http.server
import json
import os
import pathlib
import sys
import threading

import docker

asked = []


class Engine(http.server.BaseHTTPRequestHandler):
    """Takes the password `new` at /auth, and notes the password that each pull brings along."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/auth"):
            password = json.loads(body)["password"]
            asked.append(f"is {password} right?")
            self.answer(200 if password == "new" else 401)
        else:
            sent = json.loads(base64.urlsafe_b64decode(self.headers["X-Registry-Auth"]))
            asked.append(f"pull with {sent['password']}")
            self.answer(200)

    def answer(self, status):
        text = b'{"Status": "Login Succeeded", "message": "denied"}'
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


folder = pathlib.Path(sys.argv[1])
entry = {"auth": base64.b64encode(b"bot:old").decode()}
(folder / "config.json").write_text(json.dumps({"auths": {"ghcr.io": entry}}))
os.environ["DOCKER_CONFIG"] = str(folder)
engine = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=engine.serve_forever, daemon=True).start()
client = docker.DockerClient(base_url=f"tcp://127.0.0.1:{engine.server_port}", version="1.47")


def login(password, **options):
    """What login says, what it asks the engine, and the password of a pull afterwards."""
    asked.clear()
    try:
        said = client.login("bot", password, registry="ghcr.io", **options)
    except docker.errors.APIError as error:
        said = error.explanation
    list(client.api.pull("ghcr.io/team/spark", "4.1", stream=True))
    answer = said["password"] if isinstance(said, dict) and "password" in said else said
    print(f"login with {password} {options or ''}: answer {answer}, engine asked {asked}")
    return answer, list(asked)


print("docker", docker.__version__, "with a login of bot at ghcr.io in config.json, password old")
assert login("new") == ("old", ["pull with old"])
assert login("wrong") == ("old", ["pull with old"])
assert login("wrong", reauth=True) == ("denied", ["is wrong right?", "pull with old"])
assert login("new", reauth=True)[1] == ["is new right?", "pull with new"]
assert login("newer") == ("new", ["pull with new"])
print("as described: without reauth nobody is asked, and the old password stays")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
