# SPDX-License-Identifier: Apache-2.0
"""How a server that refuses a request wants a client to log in: the challenges in its answer."""

from __future__ import annotations

import re

from harness.late import httpx

# A parameter of a challenge, else the scheme that those behind it are of (RFC 9110, 11.2, with the blanks around "=" of
# 5.6.3, and 11.6.1).
_CHALLENGE_PART = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))|([A-Za-z][\w-]*)')


def challenges(refusal: httpx.Response) -> dict[str, dict[str, str]]:
    """The parameters of each scheme, in lower case, that a refusal leaves the choice of.

    Gitea asks for Bearer and for Basic (go-gitea/gitea#36920), in headers of their own or in one.
    """
    found: dict[str, dict[str, str]] = {}
    for header in refusal.headers.get_list("www-authenticate"):
        asked: dict[str, str] = {}
        for key, quoted, bare, scheme in _CHALLENGE_PART.findall(header):
            if scheme:
                asked = found.setdefault(scheme.lower(), {})
            else:
                asked[key.lower()] = re.sub(r"\\(.)", r"\1", quoted) or bare
    return found


def repository_in(asked: str, scope: str) -> str:
    """The repository that the scope of a challenge is about, empty where it is about none.

    Of several, which come in any order (distribution, registry/auth/token/accesscontroller.go), that of `scope`, which
    was to be asked for, else the first.
    """
    names = [it.partition(":")[2].rpartition(":")[0] for it in asked.split() if it.startswith("repository:")]
    wanted = scope.partition(":")[2].rpartition(":")[0]
    return wanted if wanted in names else next((it for it in names if it), "")
