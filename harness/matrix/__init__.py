# SPDX-License-Identifier: Apache-2.0
"""The catalogues, expanded and selected into cells."""
