# SPDX-License-Identifier: Apache-2.0
"""Image references, the mirrors of their registries, and credentials."""
