# SPDX-License-Identifier: Apache-2.0
"""Redaction of lines that a container runtime has cut into several: a secret may begin in one and end in the next."""

from __future__ import annotations

import json

import pytest

from harness.redaction.redactor import Redactor

_TIME = "2026-12-01T10:00:00.123456789Z"


@pytest.mark.parametrize(
    ("first", "second", "whole"),
    [
        (
            "26/12/01 10:00:00 INFO Conf: fs.s3a.secret.key=abc123",
            "def456 spark.app.name=kept",
            "26/12/01 10:00:00 INFO Conf: fs.s3a.secret.key=*** spark.app.name=kept",
        ),
        ('{"msg":"x","password":"abc123', 'def456","user":"kept"}', '{"msg":"x","password":"***","user":"kept"}'),
        ("submit --passw", "ord abc123def456 --class Pi", "submit --password *** --class Pi"),
    ],
    ids=["property", "JSON", "name"],
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_no_part_of_a_secret_gets_through_where_a_runtime_cut_its_line(
    first: str, second: str, whole: str, stream: str
) -> None:
    text = f"{_TIME} {stream} P {first}\n{_TIME} {stream} F {second}\n{_TIME} {stream} F kept\n"
    assert Redactor().text(text) == f"{_TIME} {stream} F {whole}\n{_TIME} {stream} F kept\n"


def test_lines_of_the_other_stream_may_be_between_the_pieces() -> None:
    text = f"{_TIME} stdout P password=abc\n{_TIME} stderr F other\n{_TIME} stdout P 123\n{_TIME} stdout F def kept=1\n"
    assert Redactor().text(text) == f"{_TIME} stdout F password=*** kept=1\n{_TIME} stderr F other\n"


def test_a_line_whose_end_is_missing_is_read_as_far_as_it_goes() -> None:
    text = f"{_TIME} stdout P password=abc\n{_TIME} stdout P 123\n"
    assert Redactor().text(text) == f"{_TIME} stdout P password=***\n"


def test_pieces_without_a_secret_stay_as_they_are() -> None:
    text = f"{_TIME} stdout P the token\n{_TIME} stdout F  has expired\n{_TIME} stdout F password=abc123\n"
    assert Redactor().text(text) == text.replace("abc123", "***")


def test_a_file_is_not_read_in_parts_that_end_within_a_line() -> None:
    # Parts have four million characters, which the last piece but one exceeds.
    filler = f"{_TIME} stdout F {'x' * 16_000}\n"
    lines = [*[filler] * 249, f"{_TIME} stdout P {'x' * 16_000} password=abc\n", f"{_TIME} stdout F 123\n"]
    assert "".join(Redactor().lines(lines)).endswith(" password=***\n")


def _docker(content: str, stream: str = "stdout") -> str:
    """A line of Docker's json-file driver."""
    return json.dumps({"log": content, "stream": stream, "time": _TIME}, separators=(",", ":")) + "\n"


@pytest.mark.parametrize(
    ("first", "second", "whole"),
    [
        ("fs.s3a.secret.key=abc123", "def456 a.b=kept\n", "fs.s3a.secret.key=*** a.b=kept\n"),
        ('{"msg":"x","password":"abc123', 'def456"}\n', '{"msg":"x","password":"***"}\n'),
        ("submit --passw", "ord abc123def456 --class Pi\n", "submit --password *** --class Pi\n"),
    ],
    ids=["property", "JSON", "name"],
)
def test_no_part_of_a_secret_gets_through_where_docker_cut_its_line(first: str, second: str, whole: str) -> None:
    text = _docker(first) + _docker("other\n", "stderr") + _docker(second) + _docker("kept\n")
    assert Redactor().text(text) == _docker(whole) + _docker("other\n", "stderr") + _docker("kept\n")


def test_pieces_of_docker_without_a_secret_stay_as_they_are() -> None:
    text = _docker("the token") + _docker(" has expired\n") + _docker("a password=abc123 b=c\n")
    assert Redactor().text(text) == text.replace("abc123", "***")
