# SPDX-License-Identifier: Apache-2.0
"""Images built from package registries."""
