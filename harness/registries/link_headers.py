# SPDX-License-Identifier: Apache-2.0
"""Where a list goes on, by the Link headers of a page of it (RFC 8288)."""

from __future__ import annotations

import re

from harness.late import httpx

# The parameters of a link begin with a semicolon each; what is in quotes may hold any.
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"[^"]*"|[^\s;,"]*))?)*)')
_PARAMETER = re.compile(r';\s*([^\s=;,]+)(?:\s*=\s*(?:"([^"]*)"|([^\s;,"]*)))?')


def following(response: httpx.Response) -> str:
    """The address of the next page as it is written, relative or not; empty on the last.

    Names of parameters and relations are of any case, and a link may have several relations (RFC 8288, 3.3), which
    httpx's `links` does not know.
    """
    for header in response.headers.get_list("link"):
        for target, parameters in _LINK.findall(header):
            relations = [
                quoted or bare for name, quoted, bare in _PARAMETER.findall(parameters) if name.lower() == "rel"
            ]
            # Of several, only the first counts.
            if relations and "next" in relations[0].lower().split():
                return str(target)
    return ""
