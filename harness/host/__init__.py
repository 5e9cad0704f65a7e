# SPDX-License-Identifier: Apache-2.0
"""This machine: container engine, tools, doctor, bootstrap."""
