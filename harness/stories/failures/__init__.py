# SPDX-License-Identifier: Apache-2.0
"""Upgrades that fail in the middle, each on a cluster of its own."""
