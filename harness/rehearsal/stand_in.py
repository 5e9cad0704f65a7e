# SPDX-License-Identifier: Apache-2.0
"""Plays an application in its driver: runs for so many seconds and ends with an exit status. It needs no Spark.

It goes into a ConfigMap as it is. The copy that is submitted after a move has nothing to outlast, and is short.
"""

import socket
import sys
import time

_AFTER, _SHORT = "-after", 5.0


def main(seconds: float, status: int, host: str) -> int:
    """Run for that long, and return the status."""
    time.sleep(min(seconds, _SHORT) if _AFTER in host else seconds)
    return status


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]), socket.gethostname()))
