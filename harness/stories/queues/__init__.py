# SPDX-License-Identifier: Apache-2.0
"""Applications that wait in a queue: a queueing system suspends them, and lets them run when there is room."""
