#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `topPods` of the official JavaScript client gives a pod of two containers the memory request "limit of the first plus
# request of the second": 5 GiB for two that request 1 GiB each. And kubernetes-resource-parser, which reads quantities, takes
# the metrics API's `156340n` for 156340 processors, and `1.5Gi` for one byte.
#
# Guess: MemoryUsage.RequestTotal is the sum of the containers' requests, as CPU.RequestTotal is, and as `kubectl describe node`
#   adds up. For one container it is, so a first look finds nothing.
# Hurt: dashboards and schedulers of their own in Node.js: as soon as a sidecar comes in (a mesh, a log shipper), the pods' requests
#   seem to be a multiple of what they are, nodes look full, and jobs are not started. The order of the containers decides.
#   topNodes of the same client adds up rightly. CPU usage is in nanocores in nearly all answers of metrics-server.
# Versions: @kubernetes/client-node 1.4.0 on Node.js 20 (top.js of 2.0.1, which wants Node.js 22, is the same), and
#   kubernetes-resource-parser 0.1.0, both of npm.
# Source: src/top.ts: podRequestsMem = add(podLimitsMem, containerMemTotal.request); index.js of kubernetes-resource-parser knows
#   of `m` for processors, and reads memory by parseInt.
# Needs: Node.js, npm.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

npm install --prefix "$work" --cache "$work/cache" --silent --no-audit --no-fund \
    @kubernetes/client-node@1.4.0 kubernetes-resource-parser@0.1.0

cat >"$work/show.mjs" <<'JAVASCRIPT'
import assert from 'node:assert';
import fs from 'node:fs';
import { topPods } from '@kubernetes/client-node';
import parser from 'kubernetes-resource-parser';

const resources = { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '2', memory: '4Gi' } };

// What the API server and metrics-server say, without either: topPods asks for the list of pods and for their usage.
async function top(...names) {
  const pod = { metadata: { name: 'driver' }, spec: { containers: names.map((name) => ({ name, resources })) } };
  const containers = names.map((name) => ({ name, usage: { cpu: '156340n', memory: '524288Ki' } }));
  const metrics = { items: [{ metadata: { name: 'driver' }, containers }] };
  const [status] = await topPods({ listNamespacedPod: async () => ({ items: [pod] }) }, { getPodMetrics: async () => metrics }, 'jobs');
  const [memory, cpu] = [Number(status.Memory.RequestTotal) / 2 ** 30, Number(status.CPU.RequestTotal)];
  console.log(`  ${names.length} container(s) that request 1 CPU and 1Gi: ${cpu} CPU and ${memory} GiB`);
  return [cpu, memory];
}

for (const name of ['@kubernetes/client-node', 'kubernetes-resource-parser']) {
  console.log(name, JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`, 'utf8')).version);
}
console.log('topPods:');
assert.deepStrictEqual(await top('spark'), [1, 1]);
assert.deepStrictEqual(await top('spark', 'proxy'), [2, 5]);
const read = { '156340n': parser.cpuParser('156340n'), '500m': parser.cpuParser('500m') };
const sizes = { '1536Mi': parser.memoryParser('1536Mi'), '1.5Gi': parser.memoryParser('1.5Gi') };
console.log('cpuParser:', read, 'memoryParser:', sizes);
assert.deepStrictEqual(read, { '156340n': 156340, '500m': 0.5 });
assert.deepStrictEqual(sizes, { '1536Mi': 1536 * 2 ** 20, '1.5Gi': 1 });
console.log('as described: two requests of 1Gi are 5 GiB');
JAVASCRIPT

cd "$work"
node show.mjs
