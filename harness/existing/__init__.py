# SPDX-License-Identifier: Apache-2.0
"""A cluster that a user has: what is in it, what a run may do there, and whether it left everything as it was."""
