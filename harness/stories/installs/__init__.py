# SPDX-License-Identifier: Apache-2.0
"""What an operator's user does with an installed release."""
