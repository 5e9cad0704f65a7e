# SPDX-License-Identifier: Apache-2.0
"""Images and charts that a user brings along where no registry can be reached."""
