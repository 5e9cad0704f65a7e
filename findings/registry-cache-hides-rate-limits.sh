#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a pull-through cache answers "404 MANIFEST_UNKNOWN" for a tag when the registry behind it said 429, 401, 403, 500
# or 503. Asked for the same image by digest, it hands 429, 401 and 403 on.
#
# Guess: a cache hands on what it cannot answer itself, or says 502 or 504; "manifest unknown" means that the image is not
#   there.
# Hurt: who reads kubelet's "not found" and searches for a typing mistake or a deleted tag while Docker Hub's limit, an
#   expired token or an outage is at fault. Clients do not try a 404 again, and no Retry-After reaches them.
# Versions: distribution 3.1.2.
# Source: registry/proxy/proxytagservice.go falls back to the tags that it has, whatever the error was;
#   registry/handlers/manifests.go turns a tag that it does not have into ErrorCodeManifestUnknown.
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
CODES = {429: "TOOMANYREQUESTS", 401: "UNAUTHORIZED", 403: "DENIED", 500: "UNKNOWN", 503: "UNAVAILABLE"}
BY_TAG = dict.fromkeys(CODES, 404)
BY_DIGEST = {429: 429, 401: 401, 403: 403}
EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}", "size": 2}
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": EMPTY, "layers": [EMPTY]}).encode()
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


class Remote(http.server.BaseHTTPRequestHandler):
    """The registry behind the cache: its repository's name is the status that it answers with."""

    protocol_version = "HTTP/1.1"

    def handle(self):
        with contextlib.suppress(ConnectionResetError):  # how the registry ends connections that it kept
            super().handle()

    def do_GET(self):
        status = int(self.path.split("/")[3]) if "/manifests/" in self.path else 200
        body = json.dumps({"errors": [{"code": CODES.get(status), "message": "refused"}]}).encode()
        if status == 200 and "/manifests/" in self.path:
            body = MANIFEST
        self.send_response(status)
        self.send_header("Content-Type", MANIFEST_TYPE if body is MANIFEST else "application/json")
        self.send_header("Content-Length", str(len(body)))
        if body is MANIFEST:
            self.send_header("Docker-Content-Digest", DIGEST)
        if status == 429:
            self.send_header("Retry-After", "60")
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


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Accept": MANIFEST_TYPE})
    response = connection.getresponse()
    body = response.read()
    codes = [error["code"] for error in json.loads(body).get("errors", [])] if response.status >= 400 else []
    return response.status, codes, response.getheader("Retry-After")


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
        assert ask(port, "/v2/")[0] == 200
        break
    except ConnectionError:
        assert time.monotonic() < deadline and cache.poll() is None, "the registry did not start"
        time.sleep(0.1)

assert ask(port, "/v2/library/200/manifests/latest")[0] == 200, "the cache does not serve what the remote has"
by_tag, by_digest = {}, {}
for status in CODES:
    by_tag[status], codes, retry_after = ask(port, f"/v2/library/{status}/manifests/latest")
    by_digest[status], digest_codes, digest_retry_after = ask(port, f"/v2/library/{status}/manifests/{DIGEST}")
    print(f"remote {status}: by tag {by_tag[status]} {codes}, by digest {by_digest[status]} {digest_codes}")
    assert codes == ["MANIFEST_UNKNOWN"], codes
    assert retry_after is None and digest_retry_after is None
assert by_tag == BY_TAG, by_tag
assert {status: by_digest[status] for status in BY_DIGEST} == BY_DIGEST, by_digest
print("as described: by tag every refusal of the remote is 404 MANIFEST_UNKNOWN")
PYTHON

python3 "$work/show.py" "$work"
