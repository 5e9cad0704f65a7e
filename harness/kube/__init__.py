# SPDX-License-Identifier: Apache-2.0
"""What a cluster says: its objects as models, its messages, and one way to ask its API server."""
