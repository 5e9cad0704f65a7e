# SPDX-License-Identifier: Apache-2.0
"""Spark custom resources: submit, watch, states."""
