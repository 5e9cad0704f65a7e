#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a second `dockerd --bridge none` deletes the network interface docker0 of the first engine. From then on the first
# cannot start a container on its default network: "could not find bridge docker0".
#
# Guess: `--bridge none` means "make no bridge and touch none"; with its own data, its own socket and without iptables a second
#   engine keeps out of the first one's way.
# Hurt: who starts an engine of their own for kind, k3d or a test beside the host's: everybody else's `docker run` fails, until
#   the first engine is restarted, and containers that run lose their network. Nothing in the second engine's log tells.
# Versions: Docker Engine 20.10.24 with containerd 1.6.20 and runc 1.1.5, packages of Debian 12 (amd64). Needs root: the engines
#   run in network, mount and process namespaces of their own, and nothing of the host's engine is used or changed.
# Source: moby/moby, daemon/daemon_unix.go: initNetworkController calls removeDefaultBridgeInterface where the bridge is
#   disabled, whoever made docker0.
set -euo pipefail

if [ "$(id -u)" -ne 0 ]; then
    echo "needs root, for namespaces and Docker engines in them" >&2
    exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

chmod 755 "$work" # apt downloads as a user of its own
mkdir "$work/packages" "$work/root"
chmod 777 "$work/packages"
(
    cd "$work/packages"
    apt-get download -qq docker.io=20.10.24+dfsg1-1+deb12u1+b6 containerd=1.6.20~ds1-1+deb12u3 runc=1.1.5+ds1-1+deb12u1 \
        busybox-static=1:1.35.0-4+deb12u1+b1
    for package in *.deb; do dpkg -x "$package" "$work/root"; done
)
rm -r "$work/packages"

cat >"$work/inside.sh" <<'INSIDE'
set -euo pipefail
work=$1
export PATH="$work/root/usr/sbin:$work/root/usr/bin:$PATH"
unset DOCKER_HOST DOCKER_CONTEXT
export DOCKER_CONFIG="$work/client"
mount -t tmpfs tmpfs /run # no containerd, socket or plugin of the host is found
mkdir "$work/etc"         # and neither its settings nor its key, which an engine would write
cp --dereference /etc/passwd /etc/group /etc/hosts /etc/resolv.conf "$work/etc"
mount --bind "$work/etc" /etc
ip link set lo up

engine() { # NAME OPTION...: starts an engine and waits until it answers
    local name=$1
    shift
    printf '{}' >"$work/$name.json"
    dockerd --config-file "$work/$name.json" --data-root "$work/$name/data" --exec-root "$work/$name/exec" \
        --pidfile "$work/$name.pid" --host "unix://$work/$name.sock" --storage-driver vfs \
        --iptables=false --ip6tables=false --ip-forward=false "$@" >"$work/$name.log" 2>&1 &
    local pid=$!
    until docker --host "unix://$work/$name.sock" version >/dev/null 2>&1; do
        if ! kill -0 "$pid" 2>/dev/null; then
            tail -5 "$work/$name.log"
            return 1
        fi
        sleep 0.2
    done
}
first() { docker --host "unix://$work/first.sock" "$@"; }
run_one() { first run --rm --cgroup-parent "$group" shown /busybox echo "ran on the default network"; }
bridges() { ip -oneline link show type bridge | cut -d: -f2 | xargs; }

group=/docker-bridge-none-$$-$RANDOM
engine first
first version --format 'Docker Engine {{.Server.Version}}'
tar --create --directory "$work/root/bin" busybox | first import - shown >/dev/null
echo "bridges beside the first engine: $(bridges)"
[ "$(bridges)" = docker0 ]
before=$(run_one)
echo "a container of the first engine: $before"
[ "$before" = "ran on the default network" ]

engine second --bridge none
echo "bridges after \`dockerd --bridge none\` has started beside it: $(bridges)"
after=$(run_one 2>&1) && status=0 || status=$?
echo "a container of the first engine: status $status, $after" | head -1
said=$(grep -ci docker0 "$work/second.log" || true)
echo "lines with docker0 in the log of the second engine: $said"
find /sys/fs/cgroup -depth -type d -path "*$group*" -exec rmdir {} + 2>/dev/null || true
[ -z "$(bridges)" ]
[ "$status" -ne 0 ]
[[ "$after" == *"could not find bridge docker0"* ]]
[ "$said" -eq 0 ]
for name in second first; do kill "$(cat "$work/$name.pid")"; done
wait
INSIDE

unshare --net --mount --pid --fork --kill-child --mount-proc bash "$work/inside.sh" "$work"
echo "as described: the second engine took the first one's docker0 away"
