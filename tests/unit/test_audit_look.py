# SPDX-License-Identifier: Apache-2.0
"""What an audit makes of a mirror that is a cache and hides what the registry behind it says. A web server plays it."""

from __future__ import annotations

import pytest
from registry_fakes import Answer, answering

from harness.audit.look import Eyes
from harness.images.mirrors import Mirror, MirrorMap
from harness.images.references import ImageReference


@pytest.mark.parametrize(
    ("behind", "state"),
    [(429, "unavailable"), (503, "unavailable"), (401, "refused"), (403, "refused"), (404, "missing")],
)
def test_an_image_is_missing_only_where_the_registry_behind_a_cache_can_be_asked(behind: int, state: str) -> None:
    with answering(lambda request: Answer(behind if "sha256:" in request.path else 404)) as server:
        mirrors = MirrorMap(mirrors={"docker.io": Mirror(url=f"http://{server.address}")})
        with Eyes("mirror", mirrors, timeout=5) as eyes:
            seen = eyes.look(ImageReference.parse("docker.io/apache/spark:4.0.4"))

    assert seen.state == state
    assert ("which proves nothing" in seen.message) == (behind != 404)
