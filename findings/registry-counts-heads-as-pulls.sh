#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: asking distribution for a digest is a pull. A HEAD is announced as the event "pull", of a manifest and of a blob
# alike, and a HEAD through its pull-through cache costs the registry behind it a GET, which Docker Hub counts.
#
# Guess: HEAD transfers nothing and is free: Docker Hub does not count it, and tools ask for digests by HEAD for that reason.
# Hurt: who counts pulls by notifications (containerd's pull is two, a nightly digest check one for every image), and who
#   checks digests through the cache in order to spare the limit: each check of an image that is not cached spends one.
# Versions: distribution 3.1.2.
# Source: registry/handlers/manifests.go serves GET and HEAD by the same Get, which notifications/listener.go announces and
#   registry/proxy/proxymanifeststore.go answers with a GET of its own.
set -euo pipefail

work=$(mktemp -d)
# shellcheck disable=SC2329  # the trap calls it
clean() {
    for pid in "$work"/*.pid; do
        if [ -f "$pid" ]; then kill "$(cat "$pid")" 2>/dev/null || true; fi
    done
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
import queue
import socket
import subprocess
import sys
import threading
import time

work = pathlib.Path(sys.argv[1])
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
EMPTY = f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
LAYER = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY, "size": 2}
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": LAYER, "layers": [LAYER]}).encode()
asked_of_remote, events = [], queue.Queue()


class Remote(http.server.BaseHTTPRequestHandler):
    """The registry behind the cache, and where events are sent."""

    protocol_version = "HTTP/1.1"

    def handle(self):
        with contextlib.suppress(ConnectionResetError):  # how the registry ends connections that it kept
            super().handle()

    def do_GET(self):
        of_image = "/manifests/" in self.path
        body = MANIFEST if of_image else b"{}"
        if of_image:
            asked_of_remote.append(self.command)
        self.send_response(200)
        self.send_header("Content-Type", MANIFEST_TYPE if of_image else "application/json")
        self.send_header("Content-Length", str(len(body)))
        if of_image:
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"])))["events"]:
            events.put((event["action"], event["request"]["method"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def ask(port, method, path, body=None, content_type=MANIFEST_TYPE):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {"Accept": MANIFEST_TYPE, "Content-Type": content_type})
    response = connection.getresponse()
    response.read()
    return response


def started(name, more):
    """Serve a registry with these settings; returns its port."""
    port = free_port()
    settings = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(work / name)}},
        "http": {"addr": f"127.0.0.1:{port}"},
        **more,
    }
    (work / f"{name}.yml").write_text(json.dumps(settings))
    process = subprocess.Popen(
        [registry, "serve", work / f"{name}.yml"],
        env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        stderr=(work / f"{name}.log").open("w"),
    )
    (work / f"{name}.pid").write_text(str(process.pid))
    deadline = time.monotonic() + 30
    while True:
        try:
            assert ask(port, "GET", "/v2/").status == 200
            return port
        except ConnectionError:
            assert time.monotonic() < deadline and process.poll() is None, "the registry did not start"
            time.sleep(0.1)


remote = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Remote)
threading.Thread(target=remote.serve_forever, daemon=True).start()
remote_url = f"http://127.0.0.1:{remote.server_port}"
registry = str(work / "go/bin/registry")
print(subprocess.run([registry, "--version"], check=True, capture_output=True, text=True).stdout.strip())

endpoint = {"name": "shown", "url": f"{remote_url}/events", "timeout": "5s", "threshold": 1, "backoff": "1s"}
own = started("own", {"notifications": {"endpoints": [endpoint]}})
upload = ask(own, "POST", "/v2/app/blobs/uploads/").getheader("Location")
upload = upload[upload.index("/v2/") :]
assert ask(own, "PUT", f"{upload}&digest={EMPTY}", b"{}", "application/octet-stream").status == 201
assert ask(own, "PUT", "/v2/app/manifests/latest", MANIFEST).status == 201
for _ in ("blob", "manifest"):
    assert events.get(timeout=30) == ("push", "PUT")
announced = []
for method, path in (("HEAD", "manifests/latest"), ("GET", "manifests/latest"), ("HEAD", f"blobs/{EMPTY}")):
    assert ask(own, method, f"/v2/app/{path}").status == 200
    announced.append(events.get(timeout=30))
    print(f"{method} of {path.split('/')[0]} is announced as {announced[-1]}")

cache = started("cache", {"proxy": {"remoteurl": remote_url}})
assert ask(cache, "HEAD", "/v2/library/app/manifests/latest").status == 200
print("a HEAD through the cache asked the remote:", asked_of_remote)
assert announced == [("pull", "HEAD"), ("pull", "GET"), ("pull", "HEAD")], announced
assert asked_of_remote == ["HEAD", "GET"], asked_of_remote
print("as described: each HEAD is a pull")
PYTHON

python3 "$work/show.py" "$work"
