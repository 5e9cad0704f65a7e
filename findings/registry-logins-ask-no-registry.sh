#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `crane auth login` and `login` of the Python library oras ask no registry: they write any password down and say
# "logged in" and "Login Succeeded", also for a registry that refuses it or that does not exist.
#
# Guess: a login tries the password, as `docker login` and `helm registry login` do, and fails if it is wrong.
# Hurt: pipelines with a step that logs in: it is green with an expired token, a password with a newline too many or a host with
#   a typing error, and "unauthorized" comes from a copy or a push later on, which is then looked into for missing rights. What
#   was written stays, and pulls of public images with it may be refused, too, which work without any login. With a Docker
#   engine and its Python library at hand, oras lets that one log in, which does ask: the same code differs by machine.
# Versions: go-containerregistry 0.22.1 (crane), oras 0.2.43.
# Source: go-containerregistry, cmd/crane/cmd/auth.go stores and saves; oras/main/login.py returns {"Status": "Login Succeeded"}
#   when it has written the file.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw GOBIN="$work/bin"

go install github.com/google/go-containerregistry/cmd/crane@v0.22.1 2>/dev/null
python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check oras==0.2.43

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import os
import subprocess
import sys
import threading

import oras.client

work = sys.argv[1]


class Registry(http.server.BaseHTTPRequestHandler):
    """Refuses each password."""

    def do_GET(self):
        self.server.asked += 1
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="shown"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def by_crane(host, folder):
    command = [f"{work}/bin/crane", "auth", "login", "--username", "me", "--password", "wrong", host]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "DOCKER_CONFIG": folder})
    assert run.returncode == 0, run.stderr
    return run.stderr.splitlines()[-1].partition(" ")[2].partition(" ")[2]


def by_oras(host, folder):
    client = oras.client.OrasClient(insecure=True)
    return client.login(username="me", password="wrong", hostname=host, config_path=f"{folder}/config.json")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
server.asked = 0
threading.Thread(target=server.serve_forever, daemon=True).start()
refusing = f"127.0.0.1:{server.server_port}"
version = subprocess.run([f"{work}/bin/crane", "version"], capture_output=True, text=True).stdout.strip()
print("crane", version, "| oras", importlib.metadata.version("oras"))
for name, login in (("crane", by_crane), ("oras", by_oras)):
    folder = f"{work}/{name}"
    os.makedirs(folder)
    for host in (refusing, "registry.invalid"):
        said = login(host, folder)
        print(f"{name}, {'refuses' if host == refusing else 'does not exist'}: {said!s}".replace(work, "…"))
        assert "ogged in" in str(said) or "Login Succeeded" in str(said), said
        with open(f"{folder}/config.json") as kept:
            assert host in json.load(kept)["auths"]
print("requests to the registry:", server.asked)
assert server.asked == 0
print("as described: four logins succeeded, and nobody was asked")
PYTHON

# No Docker engine for oras to turn to.
DOCKER_HOST=unix://$work/none "$work/venv/bin/python" "$work/show.py" "$work"
