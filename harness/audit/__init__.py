# SPDX-License-Identifier: Apache-2.0
"""Which images are named where, whether these names still hold, and what their registries say of them."""
