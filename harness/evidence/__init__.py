# SPDX-License-Identifier: Apache-2.0
"""What was created, what was seen, and proof that it is gone."""
