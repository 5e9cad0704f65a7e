#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: distribution does not start in a namespace that has a Service called registry-auth or registry-storage: it takes
# the variable REGISTRY_AUTH_PORT, which Kubernetes sets for that Service in every pod, for a setting of its own.
#
# Guess: a Service's name beside the registry changes nothing of the registry. Trying it with other names confirms that:
#   variables of Services called registry, registry-redis or registry-http are ignored with a warning.
# Hurt: who puts the token server or the object store beside the registry and names it so. The pod that runs keeps running;
#   the one that replaces it weeks later, on another node, ends with "cannot unmarshal `tcp://...`". The settings are right,
#   and the message names a variable that nobody has set. `enableServiceLinks: false` in the pod's spec avoids it.
# Versions: distribution 3.1.2.
# Source: configuration/parser.go applies each variable REGISTRY_*; auth, storage and middleware are maps, in which every
#   name is created. The variables are made by kubelet (pkg/kubelet/envvars/envvars.go) unless a pod forbids it.
set -euo pipefail

work=$(mktemp -d)
# shellcheck disable=SC2329  # the trap calls it
clean() {
    if [ -f "$work/pid" ]; then kill "$(cat "$work/pid")" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap clean EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw OTEL_TRACES_EXPORTER=none

go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
rm -rf "$work/cache"
registry="$work/go/bin/registry"
"$registry" --version

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/config.yml" <<YAML
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
auth: {silly: {realm: shown, service: shown}}
storage: {filesystem: {rootdirectory: $work/data}}
http: {addr: "127.0.0.1:$port"}
YAML

beside() { # SERVICE: what becomes of a registry whose pod has the variables of this Service with one port
    local links prefix=${1^^}
    prefix=${prefix//-/_}
    links=("${prefix}_SERVICE_HOST=10.96.0.7" "${prefix}_SERVICE_PORT=9000" "${prefix}_PORT=tcp://10.96.0.7:9000"
        "${prefix}_PORT_9000_TCP=tcp://10.96.0.7:9000" "${prefix}_PORT_9000_TCP_PROTO=tcp"
        "${prefix}_PORT_9000_TCP_PORT=9000" "${prefix}_PORT_9000_TCP_ADDR=10.96.0.7")
    env "${links[@]}" "$registry" serve "$work/config.yml" >"$work/log" 2>&1 &
    local pid=$!
    echo "$pid" >"$work/pid"
    while kill -0 "$pid" 2>/dev/null; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            kill "$pid"
            wait "$pid" || true
            rm "$work/pid"
            echo "serves"
            return
        fi
        sleep 0.1
    done
    rm "$work/pid"
    grep -m1 "configuration error" "$work/log" | sed 's/.*: parsing/ends: parsing/'
}

for service in registry registry-redis registry-http minio registry-auth registry-storage; do
    outcome=$(beside "$service")
    echo "beside a Service called $service the registry $outcome"
    case $service in
    registry-auth) [[ "$outcome" == "ends: parsing environment variable REGISTRY_AUTH_PORT"* ]] ;;
    registry-storage) [[ "$outcome" == "ends: parsing environment variable REGISTRY_STORAGE_PORT"* ]] ;;
    *) [ "$outcome" = serves ] ;;
    esac
done
echo "as described: the name of a Service beside it decides whether the registry starts"
