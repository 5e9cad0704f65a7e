#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the Python library oras repeats what will not change and gives up what will. A registry that refuses an image, with
# 401 and no token to be had or with 403, is asked six times with 131 seconds of waiting between; 429 and 503 with Retry-After,
# and a gateway's 502 and 504, are errors at once.
#
# Guess: a refusal is an error at once, and 429, 502, 503 and 504 are tried again.
# Hurt: scripts that look which images of a list are already on ghcr.io, which refuses what is private and what does not exist
#   alike: each missing name costs more than two minutes without a word (the waiting is logged at level info), fifty names take
#   two hours; and the mirror job that waited all this time ends at the first 429.
# Versions: oras 0.2.43 (the newest).
# Source: oras/decorator.py, retry sleeps after each exception but AuthenticationException, and of the statuses knows 500 only;
#   oras/provider.py, do_request raises ValueError("Cannot respond to request for authentication.").
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check oras==0.2.43

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import logging
import threading
import time

import oras.client

logging.disable()
waits = []
time.sleep = waits.append  # noted, not waited for


class Registry(http.server.BaseHTTPRequestHandler):
    """Has one answer for all images, and no tokens."""

    def do_GET(self):
        of_image = self.path.startswith("/v2/")
        self.server.asked += of_image
        self.send_response(self.server.status if of_image else 403)
        if self.server.status == 401:
            realm = f"http://127.0.0.1:{self.server.server_port}/token"
            self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="shown",scope="repository:team/spark:pull"')
        if self.server.status in (429, 503):
            self.send_header("Retry-After", "2")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def asked(status):
    """How often a registry with this status is asked for a manifest, and the seconds that are waited."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    server.status, server.asked = status, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    waits.clear()
    image = f"127.0.0.1:{server.server_port}/team/spark:1"
    try:
        oras.client.OrasClient(insecure=True).get_manifest(image)
    except Exception as error:
        said = repr(error).replace(image.partition("/")[0], "registry")
        print(f"{status}: asked {server.asked} times, waited {waits}, then {said}")
    return server.asked, sum(waits)


print("oras", importlib.metadata.version("oras"))
seen = {status: asked(status) for status in (401, 403, 429, 502, 503, 504)}
assert all(waited == 131 for _, waited in (seen[401], seen[403])), seen
assert all(seen[status] == (1, 0) for status in (429, 502, 503, 504)), seen
print("as described: refusals are repeated for two minutes, limits and failing gateways are not")
PYTHON

"$work/venv/bin/python" "$work/show.py"
