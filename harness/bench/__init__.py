# SPDX-License-Identifier: Apache-2.0
"""Measurements, each against a baseline that is run beside it: `nox -s bench -- NAME`."""
