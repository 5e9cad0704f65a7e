# SPDX-License-Identifier: Apache-2.0
"""A kind of scenarios of which the harness knows nothing: all that there is to say of it is in this package."""
