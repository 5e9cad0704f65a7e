# SPDX-License-Identifier: Apache-2.0
"""Claims about an observed cluster."""
