# SPDX-License-Identifier: Apache-2.0
"""Why a controller lost the lease by which it leads: an API server that did not answer in time, or its own doing.

Pure: from what the controller logged last.
"""

from __future__ import annotations

import re

LOST = re.compile(r"leader election lost|failed to renew lease")
"""What a controller says last that did not get to renew its lease (k8s.io/client-go, tools/leaderelection)."""

WORDS = "it could not renew its lease, since the API server did not answer in time"
NEXT = "let nothing else work beside, or run less at a time (--jobs 1, `processors` in harness.toml)"

_UNANSWERED = re.compile(
    r"/leases/[^\n]{0,300}?(?:Client\.Timeout|context deadline exceeded|i/o timeout|TLS handshake timeout"
    r"|connection re(?:fused|set)|\bEOF\b|http2: client connection lost|no route to host)"
    r"|(?:resource lock|update lock)[^\n]{0,300}?(?:etcdserver: (?:request timed out|leader changed)"
    r"|unable to return a response in the time allotted|server is currently unable)"
)
"""What client-go says of a request for a lease that got no answer, or one of an API server that has none."""
_HELD_BACK = re.compile(r"client rate limiter|\bforbidden\b|Unauthorized")
"""What a controller holds back itself, or may not do: neither is the machine's fault."""


def to_the_api_server(log: str) -> bool:
    """Whether a controller lost its lease because requests for it were not answered, and for nothing else."""
    return bool(LOST.search(log) and _UNANSWERED.search(log)) and not _HELD_BACK.search(log)
