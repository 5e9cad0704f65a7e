# SPDX-License-Identifier: Apache-2.0
"""Names of images, the mirrors that answer for their registries, and the credentials for both."""
