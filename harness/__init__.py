# SPDX-License-Identifier: Apache-2.0
"""Compatibility harness for the Kubeflow Spark Operator: real clusters, real charts, real applications, evidence."""

__version__ = "0.1.0"
