# SPDX-License-Identifier: Apache-2.0
"""A user's own applications (`--apps`), on an installed release and along a path."""
