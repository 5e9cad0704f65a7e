# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from __future__ import annotations

import signal

pytest_plugins = ["pytester"]

# A shell that starts something in the background lets it, and all that it starts, ignore Ctrl-C. Tests send that signal
# to their children, which must then hear it wherever the tests were started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
