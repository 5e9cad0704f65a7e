# SPDX-License-Identifier: Apache-2.0
"""Advice before anything has run: from shipped results, the catalogues, a chart, a schema, and what a site has."""
