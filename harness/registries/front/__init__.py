# SPDX-License-Identifier: Apache-2.0
"""A registry that behaves like ghcr.io or docker.io: TLS, tokens, rights, pull limits and scripted faults.

Storage is a real distribution server; `Front` stands before it and speaks as the public registry does.
"""

from harness.registries.front.faults import Fault
from harness.registries.front.manners import Manners
from harness.registries.front.server import Front

__all__ = ["Fault", "Front", "Manners"]
