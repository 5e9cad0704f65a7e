# SPDX-License-Identifier: Apache-2.0
"""The image cache: images of public registries and mirrors, fetched once for all clusters of this machine."""
