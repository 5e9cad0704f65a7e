# SPDX-License-Identifier: Apache-2.0
"""The smallest application that there is: a driver that never starts Spark, says so, and ends well."""

print("small: done", flush=True)
