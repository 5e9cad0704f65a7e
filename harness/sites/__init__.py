# SPDX-License-Identifier: Apache-2.0
"""A site: what somebody's cluster has of the operator, read without changing it, and kept as a folder of YAML."""
