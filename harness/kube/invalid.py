# SPDX-License-Identifier: Apache-2.0
"""Whether an API server says of an object that it is wrong in itself: a field that there is not, or a wrong value.

That is no word about who was to act on it.
"""

from __future__ import annotations

import re

_WORDS = re.compile(
    r"strict decoding error|cannot be handled as|\b(?:is|was) invalid: "
    r"|error validating (?:data|\")|field not declared in schema"
)
"""An API server's (k8s.io/apimachinery, pkg/api/errors; structured-merge-diff, typed), and those of Helm and kubectl,
which ask it for its schema first (k8s.io/kubectl, pkg/validation)."""
_DENIED = "denied the request"
"""An admission webhook denies, and may use the same words."""


def says_so(message: str) -> bool:
    """Whether this is said in a message."""
    return _DENIED not in message and bool(_WORDS.search(message))
