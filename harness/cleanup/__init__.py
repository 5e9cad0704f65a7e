# SPDX-License-Identifier: Apache-2.0
"""Finds what runs left on this host, removes what belongs to the harness, and proves that it is gone."""
