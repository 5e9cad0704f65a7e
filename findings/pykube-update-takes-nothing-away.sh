#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with pykube-ng, `del it.annotations["x"]; it.update()` sends the annotation again. What was removed from an
# object comes back before it is sent, from the copy that was read: keys of maps, and the end of lists that got shorter.
#
# Guess: `update()` makes the object in the cluster what it is in the program. It does for what was changed or added.
# Hurt: tests and small operators on pykube-ng, on which pytest-kind and pytest-helm-charts are built: a finalizer that was
#   removed stays, and the object can't be deleted; a removed toleration, argument or secret stays. There is no error, and
#   afterwards `it.obj` has it back, too. `update(is_strategic=False)` helps for lists; maps need None in the place of
#   `del`.
# Versions: pykube-ng 23.6.0 (the newest).
# Source: pykube/objects.py, APIObject.update and patch; pykube/utils.py, obj_merge, joins both copies, lists by position.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    pykube-ng==23.6.0 setuptools==80.9.0

cat >"$work/show.py" <<'PYTHON'
import copy
import http.server
import importlib.metadata
import json
import threading

import pykube

DEPLOYMENT = {
    **{"apiVersion": "apps/v1", "kind": "Deployment"},
    "metadata": {
        **{"name": "operator", "namespace": "default", "finalizers": ["example.com/first", "example.com/second"]},
        "annotations": {"example.com/paused": "true", "example.com/owner": "spark"},
    },
    "spec": {"replicas": 1, "template": {"spec": {"tolerations": [{"key": "gpu"}, {"key": "spot"}]}}},
}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Serves the Deployment, and keeps what is sent for it."""

    def answer(self):
        content = json.dumps(DEPLOYMENT).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = answer

    def do_PATCH(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.sent.append((self.headers["Content-Type"], body))
        self.answer()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
server.sent = []
threading.Thread(target=server.serve_forever, daemon=True).start()
api = pykube.HTTPClient(pykube.KubeConfig.from_url(f"http://127.0.0.1:{server.server_port}"))


def sent(change, **how):
    """What update() sends for the Deployment after `change`."""
    deployment = pykube.Deployment.objects(api).get_by_name("operator")
    change(deployment.obj)
    wanted = copy.deepcopy(deployment.obj)
    deployment.update(**how)
    kind, body = server.sent.pop()
    return kind, body, wanted


def shorter(it):
    del it["metadata"]["annotations"]["example.com/paused"]
    it["metadata"]["finalizers"].remove("example.com/second")
    it["spec"]["template"]["spec"]["tolerations"].remove({"key": "gpu"})
    it["spec"]["replicas"] = 2


print("pykube-ng", importlib.metadata.version("pykube-ng"))
kind, body, wanted = sent(shorter)
metadata, spec = body["metadata"], body["spec"]
print("PATCH with", kind)
for name, has, should in (
    ("replicas", spec["replicas"], wanted["spec"]["replicas"]),
    ("annotations", metadata["annotations"], wanted["metadata"]["annotations"]),
    ("finalizers", metadata["finalizers"], wanted["metadata"]["finalizers"]),
    *((it, spec["template"]["spec"][it], wanted["spec"]["template"]["spec"][it]) for it in ("tolerations",)),
):
    print(f"{name}: the program has {json.dumps(should)}, sent is {json.dumps(has)}")
assert spec["replicas"] == 2
assert metadata["annotations"] == DEPLOYMENT["metadata"]["annotations"], metadata
assert metadata["finalizers"] == DEPLOYMENT["metadata"]["finalizers"], metadata
print("as described: the change is sent, what was removed is sent, too")
PYTHON

"$work/venv/bin/python" "$work/show.py"
