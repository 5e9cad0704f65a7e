# SPDX-License-Identifier: Apache-2.0
"""Finds what runs left on this host, removes what is the harness's own, and proves what is gone."""
