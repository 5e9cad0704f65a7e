# SPDX-License-Identifier: Apache-2.0
"""The operator under test, which nobody has published: a checkout, or an image with its chart."""
