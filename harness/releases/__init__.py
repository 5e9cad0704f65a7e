# SPDX-License-Identifier: Apache-2.0
"""One release on one cluster."""
