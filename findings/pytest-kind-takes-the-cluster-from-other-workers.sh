#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with pytest-xdist, the worker whose tests end first deletes pytest-kind's cluster while tests of the others
#   still use it. The fixture also deletes a cluster that was there before the tests, which it had only reused.
#
# Guess: a fixture of session scope is made once and removed at the end of the test run, and it removes what it has made.
# Hurt: whoever speeds a suite up with `-n 2`: tests of the slower worker meet connection errors now and then, which look
#   like those of a weak machine. And whoever runs `kind create cluster --name pytest-kind` to look at something, and then
#   the tests: their cluster is gone afterwards.
# Versions: pytest-kind 22.11.1, pytest 9.0.2, pytest-xdist 3.8.0, pykube-ng 23.6.0. A recorder stands for kind: it
#   keeps the names of clusters in a file, as kind keeps containers, and answers with kind's words.
# Source: the fixture kind_cluster in pytest_kind/plugin.py calls create(), which "if it does not exist (otherwise re-use)"
#   says nothing to its caller, and then delete() unless --keep-cluster is given. pytest-xdist's documentation, "Making
#   session-scoped fixtures execute only once": each worker runs fixtures of session scope for itself.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/kind" <<'SH'
#!/usr/bin/env bash
# get clusters | create cluster --name=N --kubeconfig=F | delete cluster --name=N --kubeconfig=F
here=$(dirname "$0")
exec 9>"$here/lock"
flock 9
name= file=
for word in "$@"; do
    case $word in --name=*) name=${word#*=} ;; --kubeconfig=*) file=${word#*=} ;; esac
done
case "$1" in
get) cat "$here/clusters" 2>/dev/null ;;
create)
    echo "$name" >>"$here/clusters"
    cat >"$file" <<YAML
apiVersion: v1
kind: Config
current-context: kind-$name
contexts: [{name: kind-$name, context: {cluster: kind-$name, user: kind-$name}}]
clusters: [{name: kind-$name, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: kind-$name, user: {}}]
YAML
    ;;
delete) sed -i "/^$name\$/d" "$here/clusters" ;;
esac
SH
chmod +x "$work/kind"

cat >"$work/test_cluster.py" <<'PYTHON'
import subprocess
import time


def names(kind):
    return subprocess.check_output([kind, "get", "clusters"], text=True).split()


def test_quick(kind_cluster):
    assert kind_cluster.name in names(kind_cluster.kind_path)


def test_thorough(kind_cluster):
    until = time.monotonic() + 30
    while kind_cluster.name in names(kind_cluster.kind_path) and time.monotonic() < until:
        time.sleep(0.2)
    there = kind_cluster.name in names(kind_cluster.kind_path)
    print("\nafter the quick test has ended, the cluster of the thorough one is", "there" if there else "gone")
PYTHON

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    pytest-kind==22.11.1 pykube-ng==23.6.0 pytest==9.0.2 pytest-xdist==3.8.0 "setuptools<81"
tests() { (cd "$work" && venv/bin/python -m pytest -q -p no:cacheprovider --kind-bin "$work/kind" -rP "$@" test_cluster.py); }

# A person's cluster: made beforehand, with the kubeconfig where pytest-kind looks for it.
mkdir -p "$work/.pytest-kind/pytest-kind"
"$work/kind" create cluster --name=pytest-kind "--kubeconfig=$work/.pytest-kind/pytest-kind/kubeconfig"
tests -k quick
left=$(wc -l <"$work/clusters")
echo "clusters after tests that have reused one: $left"

# Both workers reuse one cluster, so that neither fails because the other is just creating it.
"$work/kind" create cluster --name=pytest-kind "--kubeconfig=$work/.pytest-kind/pytest-kind/kubeconfig"
told=$(tests -n 2 | grep '^after the quick test')
echo "$told"

[ "$left" = 0 ] && [[ $told == *" gone" ]]
