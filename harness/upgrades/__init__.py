# SPDX-License-Identifier: Apache-2.0
"""Upgrades and rollbacks under running applications: what is done, what runs meanwhile, what was seen."""
