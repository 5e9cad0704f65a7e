# SPDX-License-Identifier: Apache-2.0
"""Argo CD beside a cluster: its programs as containers, and a release as one Application of it."""
