# SPDX-License-Identifier: Apache-2.0
"""What all tests share: pytest's own means of testing a plugin."""

from __future__ import annotations

pytest_plugins = ["pytester"]
