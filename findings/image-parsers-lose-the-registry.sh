#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: docker-parse-image knows names of three parts at most: `ghcr.io/kubeflow/spark-operator/controller:2.5.1` is null for
# it, and the same behind `mirror:5000/` is the repository `mirror` on no registry with the tag `5000/ghcr.io/…`. For the Python
# library oras, `localhost/spark:4` is `localhost/spark` on docker.io.
#
# Guess: what is before the first slash is the registry if it has a dot or a colon or is `localhost`, and the rest is one name of
#   any number of parts; that is the rule of docker, podman and containerd.
# Hurt: moves from Docker Hub to GHCR, where names have three parts after the host as soon as the image belongs to a repository:
#   a program that rewrote or grouped `kubeflow/spark-operator` by this parser fails on null, and for a mirror it goes on with the
#   wrong name. A digest becomes a tag: `fullname` is then `…:sha256:…`, which no engine takes. `localhost/…` is how podman names
#   what it has built: the request goes to docker.io.
# Versions: docker-parse-image 3.0.1 of npm on Node.js 20; oras 0.2.43 of PyPI (the newest of each). docker-image-py 0.2.0 of PyPI,
#   a port of Docker's own parser, is right in all of them.
# Source: the one regular expression in docker-parse-image's index.js has two groups before the repository; docker_regex in
#   oras/container.py wants a dot or a colon in a registry.
# Needs: Node.js, npm.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    oras==0.2.43 docker-image-py==0.2.0
npm install --prefix "$work" --cache "$work/cache" --silent --no-audit --no-fund docker-parse-image@3.0.1

cat >"$work/show.cjs" <<'JAVASCRIPT'
const parse = require('docker-parse-image');
console.log(JSON.stringify(process.argv.slice(2).map((name) => parse(name))));
JAVASCRIPT

cat >"$work/show.py" <<'PYTHON'
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import oras.container
from docker_image.reference import Reference

work = Path(sys.argv[1])
CONTROLLER = "ghcr.io/kubeflow/spark-operator/controller:2.5.1"
DIGEST = "ghcr.io/example/spark@sha256:" + 64 * "0"
NAMES = (CONTROLLER, f"mirror:5000/{CONTROLLER}", DIGEST, "localhost/spark:4")

run = subprocess.run(["node", work / "show.cjs", *NAMES], check=True, capture_output=True, text=True, timeout=60)
javascript = dict(zip(NAMES, json.loads(run.stdout)))
version = json.loads((work / "node_modules/docker-parse-image/package.json").read_text())["version"]
for name in NAMES:
    print(name)
    own = javascript[name] and {key: javascript[name][key] for key in ("registry", "namespace", "repository", "tag")}
    print(f"  docker-parse-image {version}: {own}")
    container = oras.container.Container(name)
    print(f"  oras {importlib.metadata.version('oras')}: {container.registry}, {container.api_prefix}")
    reference = Reference.parse_normalized_named(name)
    print(f"  docker-image-py {importlib.metadata.version('docker-image-py')}: {reference.repository}")
    assert reference.repository["domain"] == name.partition("/")[0], name
    if name != "localhost/spark:4":
        assert container.registry == name.partition("/")[0], name

assert javascript[CONTROLLER] is None
mirror = javascript[f"mirror:5000/{CONTROLLER}"]
assert (mirror["registry"], mirror["repository"], mirror["tag"]) == (None, "mirror", f"5000/{CONTROLLER}"), mirror
assert javascript[DIGEST]["fullname"].startswith("ghcr.io/example/spark:sha256:"), javascript[DIGEST]
local = oras.container.Container("localhost/spark:4").manifest_url()
print("oras would ask for", local)
assert local == "docker.io/v2/localhost/spark/manifests/4", local
print("as described: the registry is lost")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
