# SPDX-License-Identifier: Apache-2.0
"""Quantities of Kubernetes as numbers."""

from __future__ import annotations

from decimal import Decimal

from harness.late import quantities


def amount(quantity: object) -> Decimal | None:
    """A quantity as a number: processors of `500m`, bytes of `512Mi`; None for what is none.

    Values and manifests may have it as a number, too (k8s.io/apimachinery/pkg/api/resource).
    """
    if quantity is None:  # common, and the library that reads quantities is slow to load
        return None
    try:
        return Decimal(quantities.parse_quantity(str(quantity)))  # type: ignore[no-untyped-call]
    except ValueError:
        return None


def amount_or_zero(quantity: object) -> Decimal:
    """The same with 0 for what is none, of which the API server tells better."""
    return amount(quantity) or Decimal()
