# SPDX-License-Identifier: Apache-2.0
"""End with the exit status that a mounted file holds, so that one attempt can fail and a later one succeed."""

import sys
from pathlib import Path

status = int(Path(sys.argv[1]).read_text())
print(f"ending with status {status}, as told", flush=True)
sys.exit(status)
