# SPDX-License-Identifier: Apache-2.0
"""What the Kubernetes client raises when the API server refuses something, or does not answer."""

from __future__ import annotations

from harness.late import client, urllib3


def api_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """ApiException, of an API server that answered, HTTPError, where none did, and `others`; for `except`."""
    return client.ApiException, urllib3.exceptions.HTTPError, *others
