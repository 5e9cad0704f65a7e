# SPDX-License-Identifier: Apache-2.0
"""Imports images and charts from files, for hosts without access to a registry."""
