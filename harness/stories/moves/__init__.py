# SPDX-License-Identifier: Apache-2.0
"""Upgrades and rollbacks: applications run along the path, and every cell judges what was seen of it."""
