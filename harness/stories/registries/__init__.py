# SPDX-License-Identifier: Apache-2.0
"""The registry itself: pull secrets and their faults, pull limits, a registry that fails."""
