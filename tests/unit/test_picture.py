# SPDX-License-Identifier: Apache-2.0
"""The picture of a pull benchmark: what is drawn, on which scale, and that names cannot break it."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from pydantic import ValidationError

from harness.report.picture import PullRow, groups, picture

SVG = "{http://www.w3.org/2000/svg}"


def row(median: float = 2.0, **changes: object) -> PullRow:
    values: dict[str, object] = {
        "registry": "ghcr.io",
        "image": "controller:2.5.2",
        "manner": "direct",
        "state": "cold",
        "samples": [median * 0.9, median, median * 1.2],
        "median": median,
        "low": median * 0.95,
        "high": median * 1.1,
    }
    return PullRow.model_validate({**values, **changes})


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  # drawn by us


def texts(svg: str) -> list[str]:
    return ["".join(it.itertext()) for it in parsed(svg).iter(f"{SVG}text")]


def test_every_row_has_its_samples_its_interval_and_its_median() -> None:
    drawn = parsed(picture([row(), row(4.0, registry="docker.io", parallel=4)]))
    assert len(list(drawn.iter(f"{SVG}circle"))) == 6
    said = texts(picture([row(), row(4.0, registry="docker.io", parallel=4)]))
    assert {"ghcr.io · direct", "docker.io · direct · 4 in parallel", "2 s", "4 s"} <= set(said)
    told = ["".join(it.itertext()) for it in drawn.iter(f"{SVG}title")]
    assert "ghcr.io · direct: median 2 s, interval 1.9 s to 2.2 s, 3 samples" in told


def test_a_median_of_twice_the_time_is_twice_as_far() -> None:
    drawn = picture([row(1.0), row(2.0)])
    bars = [float(end) for end in re.findall(r'd="M1 \d+H([\d.]+)"', drawn)]
    assert bars[1] - 1 == pytest.approx(2 * (bars[0] - 1), abs=0.2)


def test_images_and_states_have_scales_of_their_own() -> None:
    rows = [row(80.0), row(0.1, state="warm"), row(70.0, registry="docker.io")]
    assert list(groups(rows)) == [("controller:2.5.2", "cold"), ("controller:2.5.2", "warm")]
    said = texts(picture(rows))
    assert {"100 s", "0.2 s"} <= set(said)


def test_a_picture_of_nothing_and_of_no_time_is_still_one() -> None:
    assert parsed(picture([])).tag == f"{SVG}svg"
    assert "0 s" in texts(picture([row(0.0, samples=[], low=None, high=None)]))


def test_names_are_text_and_long_ones_are_cut() -> None:
    drawn = picture([row(registry='<script>alert("x")</script>\x1b[31m\x00', image="a" * 300)])
    assert "<script" not in drawn
    assert "\x00" not in drawn
    assert all(len(text) <= 56 for text in texts(drawn))


def test_it_asks_for_nothing_from_elsewhere() -> None:
    assert set(re.findall(r"https?://[^\"' ]+", picture([row()]))) == {"http://www.w3.org/2000/svg"}


def test_rows_without_a_median_are_refused_and_further_fields_are_left_out() -> None:
    with pytest.raises(ValidationError):
        PullRow.model_validate({"registry": "r", "image": "i"})
    with pytest.raises(ValidationError):
        row(float("inf"))
    assert row(digest="sha256:1").registry == "ghcr.io"
