# SPDX-License-Identifier: Apache-2.0
"""A secret in each of the shapes in which clusters, programs and users bring one, for tests that search for it."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

SECRET = "Xq7Tnp4Lw0RbMz"

_ENCODED = base64.b64encode(f"me:{SECRET}".encode()).decode()
_KEY = f"{SECRET}{SECRET}{SECRET}{SECRET}"

LINES = (
    f"E1124 12:00:01.000001 1 x.go:12] Authorization: Bearer {SECRET}",
    f'level=error msg="cannot connect" user=me password={SECRET} attempt=3',
    f"jdbc:postgresql://db:5432/x?user=me&password={SECRET}",
    f"jdbc:sqlserver://db:1433;user=me;password={SECRET};encrypt=true",
    f'pem="-----BEGIN PRIVATE KEY-----\\n{_KEY}\\n-----END PRIVATE KEY-----"',
    f"auth: {_ENCODED}",
    "content " + base64.b64encode(f"db.password={SECRET}\nuser=me\n".encode()).decode() + " end",
    f"<property><name>fs.s3a.secret.key</name><value>{SECRET}</value></property>",
    f"pulling from https://robot:{SECRET}@ghcr.io/v2/",
    f"db: {{user: me, password: {SECRET}, port: 5432}}",
    f"- {{name: DB_PASSWORD, value: {SECRET}}}",
    f'{{"value":"{SECRET}","name":"DB_PASSWORD"}}',
    f'args: ["--password", "{SECRET}", "--class", "Pi"]',
    f"spark.hadoop.fs.azure.account.key.acme.dfs.core.windows.net={SECRET}",
)
"""Each has the secret once or more."""

DOCUMENTS = (
    f"-----BEGIN PRIVATE KEY-----\n{_KEY}\n-----END PRIVATE KEY-----\n",
    f"password: |\n  first {SECRET}\n  second {SECRET}\nnext: kept\n",
    f"env:\n- value: {SECRET}\n  name: DB_PASSWORD\n- name: API_TOKEN\n  value: {SECRET}\n",
    f"args:\n- --password\n- {SECRET}\n- --class\n- Pi\n",
    f"<property>\n  <value>{SECRET}</value>\n  <name>fs.s3a.secret.key</name>\n</property>\n",
    f"apiVersion: v1\nkind: Secret\nstringData:\n  anything: {SECRET}\n",
)
"""Those that take several lines."""

ALL = "\n".join((*LINES, *DOCUMENTS))


def private_key() -> str:
    """A real key, made here."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )
