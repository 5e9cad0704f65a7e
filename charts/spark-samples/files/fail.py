# SPDX-License-Identifier: Apache-2.0
"""End with a given exit status, before any Spark job."""

import sys

print(f"failing with status {sys.argv[1]}, as asked", flush=True)
sys.exit(int(sys.argv[1]))
