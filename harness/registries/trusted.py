# SPDX-License-Identifier: Apache-2.0
"""Which certificates clients of registries trust: this machine's, and the CA of a mirror."""

from __future__ import annotations

import functools
import os
import ssl
from pathlib import Path

from harness import named_files
from harness.errors import SettingsError
from harness.late import httpx


def trusted(ca: Path | None, host: str) -> ssl.SSLContext:
    """What a client trusts, with the CA of a host that has one. Raises SettingsError.

    All clients with the same certificates share it, since to read them takes the time of many
    requests; it is made anew when a file has changed, or when the environment names another one.
    """
    system = ssl.get_default_verify_paths()
    files = [Path(it) for it in (ca, system.cafile, system.capath) if it]
    named = (os.environ.get(it, "") for it in (system.openssl_cafile_env, system.openssl_capath_env))
    try:
        return _trusting(ca, (*named, *((it, _version(it)) for it in files)))
    except _UnusableCA as unusable:
        raise SettingsError(
            f"the CA file {ca} for {host} cannot be used: {unusable}",
            "give a PEM file of the CA",
        ) from unusable


class _UnusableCA(Exception):
    pass


@functools.lru_cache(maxsize=32)
def _trusting(ca: Path | None, read: tuple[object, ...]) -> ssl.SSLContext:
    try:
        context = httpx.create_ssl_context()
    except (OSError, ssl.SSLError) as broken:
        names = " or ".join(it for it in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(it)) or "its files"
        raise SettingsError(
            f"the certificates that this machine is to trust cannot be read from {names}: {broken}",
            f"have {names} name what is there, in PEM, or unset it",
        ) from broken
    # As on a node: the system's certificates count too, and the mirror's own CA comes on top.
    context.load_default_certs()
    if ca:
        try:
            named_files.require_file(ca)
            context.load_verify_locations(cafile=str(ca))
            # As for nodes (Go, crypto/x509: Verify), which take what is in that file for a root, also where it is a
            # CA that another one has signed or the server's own certificate, and which want fewer extensions of it
            # than Python does from 3.13 on.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        except (OSError, ssl.SSLError) as broken:
            raise _UnusableCA(broken) from broken
    return context


def _version(file: Path) -> object:
    """What changes with a file's content; None where there is none."""
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
