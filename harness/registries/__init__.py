# SPDX-License-Identifier: Apache-2.0
"""Image references, registry clients, mirrors, local registries."""
