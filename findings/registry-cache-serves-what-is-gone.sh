#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a pull-through cache goes on serving a tag that the registry behind it has deleted, and does not serve the image
# that it has when the tag has moved and the registry refuses the new one: then the client gets 429, from then on.
#
# Guess: the other way round. What was taken back is 404 at once, since the cache asks for the tag each time; when the
#   registry has no answer for the moment, the image in the cache is better than none.
# Hurt: who deletes a broken or leaked image and believes it gone, and who put the cache there against Docker Hub's limit:
#   it helps until somebody pushes `latest` anew.
# Versions: distribution 3.1.2.
# Source: registry/proxy/proxytagservice.go (any error of the remote, "not found" too, falls back to its own tags) and
#   registry/proxy/proxymanifeststore.go (a manifest that it does not have comes from the remote or not at all).
set -euo pipefail

work=$(mktemp -d)
# shellcheck disable=SC2329  # the trap calls it
clean() {
    if [ -f "$work/registry.pid" ]; then kill "$(cat "$work/registry.pid")" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap clean EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
rm -rf "$work/cache"

cat >"$work/show.py" <<'PYTHON'
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

work = pathlib.Path(sys.argv[1])
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def manifest(generation):
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}", "size": 2}
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": empty,
            "layers": [empty],
            "annotations": {"generation": generation},
        }
    ).encode()


remote_says = {"HEAD": (200, "first"), "GET": (200, "first")}


class Remote(http.server.BaseHTTPRequestHandler):
    """The registry behind the cache, with one tag: remote_says has a status and an image for each method."""

    protocol_version = "HTTP/1.1"

    def handle(self):
        with contextlib.suppress(ConnectionResetError):  # how the registry ends connections that it kept
            super().handle()

    def do_GET(self):
        status, generation = remote_says[self.command] if "/manifests/" in self.path else (200, "")
        body = manifest(generation) if generation else b"{}"
        if status != 200:
            code = {404: "MANIFEST_UNKNOWN", 429: "TOOMANYREQUESTS"}[status]
            body = json.dumps({"errors": [{"code": code, "message": "refused"}]}).encode()
        self.send_response(status)
        self.send_header("Content-Type", MANIFEST_TYPE if generation and status == 200 else "application/json")
        self.send_header("Content-Length", str(len(body)))
        if generation and status == 200:
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(body).hexdigest()}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def pull(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/v2/library/app/manifests/latest", headers={"Accept": MANIFEST_TYPE})
    response = connection.getresponse()
    answer = json.loads(response.read())
    return response.status, answer.get("annotations", {}).get("generation")


remote = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Remote)
threading.Thread(target=remote.serve_forever, daemon=True).start()
port = free_port()
(work / "config.yml").write_text(
    json.dumps(
        {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(work / "storage")}},
            "http": {"addr": f"127.0.0.1:{port}"},
            "proxy": {"remoteurl": f"http://127.0.0.1:{remote.server_port}"},
        }
    )
)
registry = str(work / "go/bin/registry")
print(subprocess.run([registry, "--version"], check=True, capture_output=True, text=True).stdout.strip())
cache = subprocess.Popen(
    [registry, "serve", work / "config.yml"],
    env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
    stderr=(work / "registry.log").open("w"),
)
(work / "registry.pid").write_text(str(cache.pid))
deadline = time.monotonic() + 30
while True:
    try:
        first = pull(port)
        break
    except ConnectionError:
        assert time.monotonic() < deadline and cache.poll() is None, "the registry did not start"
        time.sleep(0.1)

remote_says = {"HEAD": (404, ""), "GET": (404, "")}
deleted = pull(port)
remote_says = {"HEAD": (200, "second"), "GET": (429, "")}
moved = pull(port)
remote_says = {"HEAD": (429, ""), "GET": (429, "")}
refused = pull(port)
print("the remote has the tag:                       ", first)
print("the remote has deleted it:                    ", deleted)
print("the remote has moved it and refuses the image:", moved)
print("the remote refuses everything:                ", refused)
assert first == deleted == (200, "first"), (first, deleted)
assert moved == (429, None), moved
# By now the cache's own tag names the image that it never got: the one it has is lost for this tag.
assert refused == (429, None), refused
print("as described: the deleted image is served, and the image in the cache is not when the tag has moved")
PYTHON

python3 "$work/show.py" "$work"
