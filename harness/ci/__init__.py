# SPDX-License-Identifier: Apache-2.0
"""The workflows for GitHub, generated from the matrix."""
