# SPDX-License-Identifier: Apache-2.0
"""A registry that behaves like ghcr.io or docker.io: TLS, tokens, rights, pull limits and scripted faults.

Storage is a real distribution server; `server.Front` stands before it and speaks as the public registry does.
"""
