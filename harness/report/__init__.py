# SPDX-License-Identifier: Apache-2.0
"""Results for machines and people."""
