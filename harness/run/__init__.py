# SPDX-License-Identifier: Apache-2.0
"""A run: what was asked for, what it needs, and the life of each cluster; the rooms put together."""
