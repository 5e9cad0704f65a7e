# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501  # a shape stays in one line
"""Documents of YAML with secrets between much that has none, and with what looks like a secret's and is none.

`{s}` is the secret. They are for what is left out before a document is parsed: each has its secret where the lines
around it, and not its own, say that it is one.
"""

from __future__ import annotations

HIDDEN: dict[str, str] = {
    "variable of a container": "spec:\n  containers:\n  - name: a\n    env:\n    - name: HOME\n      value: /root\n"
    "    - name: DB_PASSWORD\n      value: {s}\n    ports:\n    - containerPort: 1\nstatus:\n  phase: Running\n",
    "variable, value first": "env:\n- value: {s}\n  name: API_TOKEN\n- name: X\n  value: y\n",
    "variable, name in quotes": "env:\n- name: 'API_TOKEN'\n  value: '{s}'\n- name: X\n  value: y\n",
    "variable, other keys between": "env:\n- name: API_TOKEN\n  optional: true\n  kind: env\n  value: {s}\n",
    "variable whose value is a block": "env:\n- name: API_TOKEN\n  value: |\n    {s}\n    more\n- name: X\n  value: y\n",
    "variable whose value is folded": "env:\n- name: API_TOKEN\n  value: a\n    {s}\n- name: X\n  value: y\n",
    "argument after its option": "spec:\n  args:\n  - --verbose\n  - --password\n  - {s}\n  - x\n  command:\n  - sh\n",
    "argument, indented list": "spec:\n  args:\n    - --db-password\n    - {s}\n  command:\n    - sh\n",
    "mapping below a secret's name": "auth:\n  password:\n    {s}\n  user: me\nother:\n  a: b\n",
    "list below a secret's name": "a:\n  tokens:\n  - {s}\n  - y{s}\n  b: c\n",
    "list in a list": "a:\n  tokens:\n  - - {s}\n    - x\n",
    "Secret at the end of its keys": "metadata:\n  name: a\n  labels:\n    x: y\ndata:\n  anything: {s}\nkind: Secret\n",
    "Secret in quotes": "'kind': 'Secret'\n'data':\n  'anything': {s}\n",
    "Secret by its type": "type: Opaque\nmetadata:\n  name: x\ndata:\n  anything: {s}\n",
    "Secret among other documents": "a:\n  b: c\n---\nkind: Secret\nmetadata:\n  name: a\ndata:\n  any: {s}\n---\na: b\n",
    "Secret in an item": "kind: List\nitems:\n- kind: Pod\n  spec:\n    a: b\n- kind: Secret\n  data:\n    any: {s}\n",
    "Secret two levels down": "a:\n  b:\n    - c:\n        kind: Secret\n        data:\n          any: {s}\n    - d: e\n",
    "SecretList": "kind: SecretList\nitems:\n- metadata:\n    name: a\n  data:\n    any: {s}\n",
    "stringData without a kind": "metadata:\n  name: a\n  labels:\n    a: b\nstringData:\n  any: {s}\n  more: {s}\n",
    "document in a block": "data:\n  a.yaml: |\n    x:\n      y: z\n    db:\n      password: {s}\n    q:\n      r: s\n",
    "properties in a block": "data:\n  x: y\n  a.properties: |\n    user=me\n    db.password={s}\n    last=one\n",
    "JSON in a block": 'data:\n  a.json: |\n    {"a": 1, "auth": {"token": "{s}"}}\n  b: c\n',
    "JSON in a plain scalar's quotes": 'metadata:\n  annotations:\n    x: \'{"password":"{s}"}\'\n  labels:\n    a: b\n',
    "JSON over several lines": 'a:\n  b: {"x": 1,\n    "password": "{s}",\n    "y": 2}\nc:\n  d: e\n',
    "flow mapping with a name": "env:\n- {name: API_TOKEN, value: {s}}\n- {name: X, value: y}\n",
    "anchor on a secret": "a:\n  token: &t {s}\nb:\n  c: *t\nd:\n  e: f\n",
    "merge key": "base: &b\n  user: me\n  password: {s}\nother:\n  <<: *b\n  x: y\n",
    "comment with a secret": "a:\n  b: c  # password={s}\nd:\n  e: f\n",
    "comment before a Secret's data": "kind: Secret\ndata:\n  # was {s}\n  any: thing\nx:\n  y: z\n",
    "key of a question mark": "a:\n  ? password\n  : {s}\nb:\n  c: d\n",
    "header in two items": "headers:\n- - Authorization\n  - {s}\n- - Accept\n  - text/plain\n",
    "property in a pair": "properties:\n- - spark.authenticate.secret\n  - {s}\n- - a.b\n  - c\n",
    "tabs after the name": "a:\n  password:\t{s}\nb:\n  c: d\n",
    "carriage returns": "a:\r\n  b: c\r\n  password: {s}\r\nd:\r\n  e: f\r\n",
    "deep below": "".join(f"{'  ' * n}l{n}:\n" for n in range(12)) + "  " * 12 + "password: {s}\n" + "z:\n  y: x\n",
    "first of a long list": "items:\n- password: {s}\n" + "".join(f"- a: b{n}\n  c:\n    d: e\n" for n in range(50)),
    "last of a long list": "items:\n"
    + "".join(f"- a: b{n}\n  c:\n    d: e\n" for n in range(50))
    + "- password: {s}\n",
    "after a document end": "a:\n  b: c\n...\n---\npassword: {s}\nd:\n  e: f\n",
    "behind times of a log": "2026-11-24T12:00:01.1Z a:\n2026-11-24T12:00:01.1Z   b: c\n2026-11-24T12:00:01.1Z   token: {s}\n",
    "literal below no indent": "password: |-\n {s}\n more {s}\nnext:\n  kept: yes\n",
    "sparkConf": "spec:\n  sparkConf:\n    a.b: c\n    spark.hadoop.fs.s3a.secret.key: {s}\n  driver:\n    cores: 1\n",
    "key with a colon": 'spec:\n  conf:\n    "fs.s3a:secret.key": "{s}"\n    a: b\n  driver:\n    cores: 1\n',
    "name and value apart": "- key: DB_PASSWORD\n  labels:\n    a: b\n    c: d\n  value: {s}\n- key: x\n  value: y\n",
    "value below its own key": "parameters:\n- name: TOKEN\n  value:\n    {s}\n- name: X\n  value: y\n",
    "dockerconfigjson": 'data:\n  x:\n    y: z\n  .dockerconfigjson: "{s}"\nz:\n  y: x\n',
    "beside a list with a name of its own": "a:\n- resources:\n  - secrets\n  pods: 2\n  identity-token: {s}\n- b: c\n  d: e\n",
    "list of one line under a name": 'a:\n  b: c\n  tokens: ["{s}", x]\nd:\n  e: f\n',
}

SHOWN: tuple[str, ...] = (
    "spec:\n  volumes:\n  - projected:\n      sources:\n      - serviceAccountToken:\n          path: token\n  a: b\n",
    "spec:\n  env:\n  - name: X\n    valueFrom:\n      secretKeyRef:\n        key: s3-key\n        name: s3\n",
    "spec:\n  imagePullSecrets:\n  - name: regcred\nstatus:\n  phase: Running\n",
    "rules:\n- apiGroups:\n  - ''\n  resources:\n  - secrets\n  - pods\n  verbs:\n  - get\n",
    "a:\n  secretName: webhook-certs\n  tokenExpirationSeconds: 600\nb:\n  c: d\n",
)
