# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `harness`: each module parses the options of one group and calls the room that does the work."""
