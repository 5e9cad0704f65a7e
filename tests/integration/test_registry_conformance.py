# SPDX-License-Identifier: Apache-2.0
"""The conformance suite of the OCI distribution specification against the local registries.

What the distribution server behind them does not do stays off here: SHA-512 digests (it stores manifests by SHA-256),
the referrers API (clients fall back to tags, as the specification has it), and images whose non-distributable layers
are missing (it wants every layer, unless an allow-list of addresses is set). All else is on: pull, push, content
discovery (tags), content management (deletion).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import settings
from harness.bootstrap import tools
from harness.registries.front.profile import profile
from harness.registries.front.server import Front

_OFF = {"OCI_DATA_SHA512": "false", "OCI_API_REFERRER": "false", "OCI_DATA_NONDISTRIBUTABLE": "false"}
_DELETIONS = ("OCI_API_TAGS_DELETE", "OCI_API_MANIFESTS_DELETE", "OCI_API_BLOBS_DELETE")


@pytest.fixture(scope="session")
def suite() -> Path:
    return tools.ensure(settings.load(environment=os.environ), ["conformance"])["conformance"].path


@pytest.mark.parametrize(
    ("host", "deletes", "least"),
    [
        pytest.param("ghcr.io", False, 400, id="ghcr.io"),
        # Deletions are held by docker.io, whose profile has them.
        pytest.param("ghcr.io", True, 650, id="ghcr.io-with-deletion", marks=pytest.mark.nightly),
        pytest.param("docker.io", True, 650, id="docker.io"),
    ],
)
def test_it_does_what_the_specification_says(
    suite: Path, registry_binary: Path, tmp_path: Path, host: str, deletes: bool, least: int
) -> None:
    chosen = profile(host).with_limits(None)
    # The suite asks for deletions, which ghcr.io has not.
    chosen = chosen.model_copy(update={"deletes": deletes})
    with Front(chosen, folder=tmp_path / "front", binary=registry_binary) as front:
        token = front.accounts.of("owner").secret
        done = subprocess.run(
            [suite],
            cwd=tmp_path,
            env={
                **os.environ,
                **_OFF,
                **(dict.fromkeys(_DELETIONS, "false") if not deletes else {}),
                "SSL_CERT_FILE": str(front.ca),
                "OCI_REGISTRY": front.address,
                "OCI_REPO1": "conformance/one",
                "OCI_REPO2": "conformance/two",
                "OCI_USERNAME": "owner",
                "OCI_PASSWORD": token,
                "OCI_RESULTS_DIR": str(tmp_path / "results"),
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
    cases = ElementTree.parse(tmp_path / "results" / "junit.xml").getroot()  # noqa: S314  # of a program of ours

    assert done.returncode == 0, done.stdout[-4000:]
    assert (cases.get("failures", "0"), cases.get("errors", "0")) == ("0", "0")
    assert int(cases.get("tests", "0")) - int(cases.get("skipped", "0")) - int(cases.get("disabled", "0")) >= least
    assert token not in done.stdout + done.stderr
