#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the times of a Lease need exactly six digits after the second. `"renewTime": "2026-12-03T05:00:00Z"`, as `date` writes it and
# as all other times of Kubernetes are, is refused, and so are `.5Z` and the three digits of JavaScript. The Python client,
# kubernetes_asyncio and lightkube write such a time where the part of a second is zero: what they have read they cannot send back.
#
# Guess: a time is RFC 3339, with or without a fraction, as in creationTimestamp, and a client of Kubernetes writes what its API takes.
#   `datetime.now()` confirms it: one time in a million has no microseconds.
# Hurt: leader elections and heartbeats of one's own that cut their times to seconds (`replace(microsecond=0)`, `date -u +%FT%TZ`
#   with kubectl patch, a test with a fixed time): the API server answers 400, `parsing time … as "2006-01-02T15:04:05.000000Z07:00"`,
#   and the lease is lost. Who does not cut is refused once in a million renewals, for no reason that can be found again. The
#   same holds for `eventTime` of an Event of events.k8s.io. Way out: `strftime("%Y-%m-%dT%H:%M:%S.%fZ")`.
# Versions: apimachinery 0.37.2, which decodes for the API server; kubernetes 37.0.2, kubernetes_asyncio 36.1.0, lightkube 1.0.1.
# Source: apimachinery, pkg/apis/meta/v1/micro_time.go, UnmarshalJSON parses by RFC3339Micro, where Go's zeros are digits that must be
#   there; api_client.py of both Python clients writes datetime.isoformat(), which leaves a fraction of zero out.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    kubernetes==37.0.2 kubernetes_asyncio==36.1.0 lightkube==1.0.1
mkdir "$work/shown"
cd "$work/shown"
go mod init shown 2>/dev/null
go get k8s.io/apimachinery@v0.37.2 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// main prints for each time whether it can be the renewTime of a Lease, and whether a creationTimestamp.
func main() {
	for _, text := range os.Args[1:] {
		quoted, err := json.Marshal(text)
		if err != nil {
			panic(err)
		}
		var micro metav1.MicroTime
		var plain metav1.Time
		fmt.Println(json.Unmarshal(quoted, &micro) == nil, json.Unmarshal(quoted, &plain) == nil)
	}
}
GO
go build -o shown . 2>said || { cat said && exit 2; }

cat >show.py <<'PYTHON'
import asyncio
import datetime
import importlib.metadata
import subprocess

import kubernetes
import kubernetes_asyncio
import lightkube.models.coordination_v1
from lightkube.resources.coordination_v1 import Lease

WHOLE, PARTS = "2026-12-03T05:00:00.000000Z", "2026-12-03T05:00:00.250000Z"


def taken(text):
    """Whether the API server takes this text for the renewTime of a Lease, and for a creationTimestamp."""
    said = subprocess.run(["./shown", text], capture_output=True, text=True, check=True).stdout.split()
    return said[0] == "true", said[1] == "true"


def kubernetes_client(time):
    api = kubernetes.client.ApiClient()
    spec = kubernetes.client.V1LeaseSpec(renew_time=time)
    return api.sanitize_for_serialization(kubernetes.client.V1Lease(spec=spec))["spec"]["renewTime"]


def asyncio_client(time):
    async def write():
        async with kubernetes_asyncio.client.ApiClient() as api:
            spec = kubernetes_asyncio.client.V1LeaseSpec(renew_time=time)
            return api.sanitize_for_serialization(kubernetes_asyncio.client.V1Lease(spec=spec))

    return asyncio.run(write())["spec"]["renewTime"]


def lightkube_client(time):
    return Lease(spec=lightkube.models.coordination_v1.LeaseSpec(renewTime=time)).to_dict()["spec"]["renewTime"]


print("apimachinery 0.37.2,", end=" ")
print(*(f"{name} {importlib.metadata.version(name)}" for name in ("kubernetes", "kubernetes_asyncio", "lightkube")), sep=", ")
for text, as_lease in (
    (WHOLE, True),
    (PARTS, True),
    ("2026-12-03T05:00:00.250000+00:00", True),
    ("2026-12-03T05:00:00Z", False),
    ("2026-12-03T05:00:00+00:00", False),
    ("2026-12-03T05:00:00.25Z", False),
    ("2026-12-03T05:00:00.250Z", False),
):
    lease, other = taken(text)
    print(f"{text:34} as renewTime: {'taken' if lease else 'refused'}, as creationTimestamp: {'taken' if other else 'refused'}")
    assert (lease, other) == (as_lease, True)

for client in (kubernetes_client, asyncio_client, lightkube_client):
    for text, expected in ((WHOLE, False), (PARTS, True)):
        written = client(datetime.datetime.fromisoformat(text))
        lease, _ = taken(written)
        print(f"{client.__name__}: {text} is sent as {written}: {'taken' if lease else 'refused'}")
        assert lease == expected
read = Lease.from_dict({"metadata": {"name": "leader"}, "spec": {"renewTime": WHOLE}})
assert read.to_dict()["spec"]["renewTime"] != WHOLE
print("as described: a time in whole seconds is refused, and all three clients write one")
PYTHON

"$work/venv/bin/python" show.py
