# SPDX-License-Identifier: Apache-2.0
"""What is said of where an image is from, and of what of it does not run."""

from __future__ import annotations

from harness.registries.image_records import ImageRecord, Provenance

IMAGE = "docker.io/me/app:1"
RECORD = ImageRecord(reference=IMAGE, digest="sha256:a1", registry="docker.io", obtained="upstream")


def test_a_record_says_which_platforms_no_node_runs() -> None:
    assert RECORD.without("linux/s390x, linux/ppc64le").obtained == (
        "upstream; not run here: linux/s390x, linux/ppc64le"
    )
    assert RECORD.without("") == RECORD


def test_an_image_that_was_imported_or_copied_is_told_as_such() -> None:
    known = Provenance(imported={IMAGE: "imported from app.tar"}, copies={IMAGE: "ghcr.io/them/app:1"})
    assert known.told(IMAGE, "upstream") == "imported from app.tar, relocated from ghcr.io/them/app:1"
    assert known.told("docker.io/me/other:1", "upstream") == "upstream"
