# SPDX-License-Identifier: Apache-2.0
"""Takes secrets out of whatever leaves the harness, and searches for those that got through."""
