# SPDX-License-Identifier: Apache-2.0
"""A site's move, rehearsed: from a snapshot to what a run is asked for, and from its results to what held."""
