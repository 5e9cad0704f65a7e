# SPDX-License-Identifier: Apache-2.0
"""Reads the catalogues, and expands and selects cells."""
