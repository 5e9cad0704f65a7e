# SPDX-License-Identifier: Apache-2.0
"""Records what a run creates, and collects the evidence of cells that did not pass."""
