#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: deleting one tag with the Python libraries oras (`delete_tags`) and python-dxf (`del_alias`) deletes every tag of
# that image: they look up the tag's digest and delete the manifest, where the registry could have deleted the tag alone.
#
# Guess: what is called delete_tags takes a name away and leaves the image to its other names; the OCI distribution
#   specification has a DELETE for tags, and distribution 3 knows it.
# Hurt: clean-up jobs. Tags that share a digest are the rule: `4.0.4`, `4.0` and `latest`, or a nightly that was promoted to a
#   release by tagging. To drop the nightly takes the release with it, nodes that have not pulled it yet say "not found", and
#   indexes that list the image are left with a hole. Both calls return as if one tag were gone.
# Versions: oras 0.2.43, python-dxf 12.1.1 (the newest).
# Source: oras/provider.py, delete_tag; dxf/__init__.py, del_alias: both send DELETE …/manifests/sha256:…. The specification's
#   "Content Management" has both forms; a manifest's deletion makes each of its tags a 404.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    oras==0.2.43 python-dxf==12.1.1

cat >"$work/show.py" <<'PYTHON'
import hashlib
import http.server
import importlib.metadata
import json
import threading

import dxf
import oras.client

OCI = "application/vnd.oci.image.manifest.v1+json"
EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}", "size": 2}
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": OCI, "config": EMPTY, "layers": [EMPTY]}).encode()
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
TAGS = {"nightly", "4.0.4", "latest"}


class Registry(http.server.BaseHTTPRequestHandler):
    """One image and its tags; DELETE takes away a tag, or by digest the image."""

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        there = name in self.server.tags or (name == DIGEST and self.server.image)
        self.send_response(200 if there else 404)
        self.send_header("Content-Type", OCI)
        self.send_header("Docker-Content-Digest", DIGEST)
        self.send_header("Content-Length", str(len(MANIFEST) if there else 0))
        self.end_headers()
        if there and self.command == "GET":
            self.wfile.write(MANIFEST)

    do_HEAD = do_GET

    def do_DELETE(self):
        name = self.path.rpartition("/")[2]
        self.server.deleted.append(name)
        if name == DIGEST:
            self.server.tags, self.server.image = set(), False
        self.server.tags = self.server.tags - {name}
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def left(delete):
    """What is deleted for the tag `nightly`, and which tags are left."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    server.tags, server.image, server.deleted = set(TAGS), True, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    returned = delete(f"127.0.0.1:{server.server_port}")
    server.shutdown()
    return returned, server.deleted, server.tags


libraries = {
    "oras": lambda host: oras.client.OrasClient(hostname=host, insecure=True).delete_tags(f"{host}/team/spark", "nightly"),
    "python-dxf": lambda host: dxf.DXF(host, "team/spark", insecure=True).del_alias("nightly"),
}
print("before:", ", ".join(sorted(TAGS)), "are tags of", DIGEST[:19] + "…")
for name, delete in libraries.items():
    returned, deleted, tags = left(delete)
    print(f"{name} {importlib.metadata.version(name)}: returned {returned}")
    print(f"    DELETE …/manifests/{', '.join(deleted)[:19]}…, tags left: {', '.join(sorted(tags)) or 'none'}")
    assert deleted == [DIGEST], deleted
    assert not tags
print("as described: with the tag `nightly` went the image and its other tags")
PYTHON

"$work/venv/bin/python" "$work/show.py"
