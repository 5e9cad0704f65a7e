#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# emulated.sh QEMU MAGIC:MASK COMMAND...: run a command in a user namespace in which QEMU runs programs with that magic.
#
# The namespace has all users of this one, which only root can give it, and a binfmt_misc of its own (Linux 6.7).
set -euo pipefail

qemu=$1 magic=$2
shift 2

inside() {
    # Until then there are no users, and nothing may be mounted.
    read -r _ <&"$GO"
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    # F: QEMU is opened now, so that it is found from any root folder.
    printf '%s' ":emulated:M::$MAGIC:$QEMU:F" >/proc/sys/fs/binfmt_misc/register
    exec "$@"
}

export -f inside
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/go"
exec 3<>"$folder/go"
export GO=3 MAGIC=$magic QEMU=$qemu
unshare --user --mount --propagation private bash -euc 'inside "$@"' - "$@" &
child=$!
trap 'kill "$child" 2>/dev/null' TERM INT
until [[ $(readlink "/proc/$child/ns/user") != "$(readlink /proc/self/ns/user)" ]]; do
    kill -0 "$child"
    sleep 0.05
done
echo '0 0 4294967295' >"/proc/$child/uid_map"
echo '0 0 4294967295' >"/proc/$child/gid_map"
echo >&3
wait "$child"
