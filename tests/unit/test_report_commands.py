# SPDX-License-Identifier: Apache-2.0
"""`harness report open` and `serve`: which report, what is said when there is none, and who may read what."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_samples import run

from harness import cli
from harness.report.attachments import PULLS
from harness.report.writer import ReportWriter

RUN = "20260801-101500-ab12"
OTHER = "20260801-111500-cd34"
HARNESS = (sys.executable, "-m", "harness.cli")


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for reports, which settings name."""
    folder = tmp_path / "reports"
    folder.mkdir()
    monkeypatch.setenv("HARNESS_REPORTS", str(folder))
    return folder


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A browser that writes down what it was asked to open. It is the system's own way of naming one."""
    program, opened = tmp_path / "browser", tmp_path / "opened"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{program} %s")
    forget_browsers(monkeypatch)
    return opened


def forget_browsers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system's browsers be looked for again, as in a new process."""
    monkeypatch.setattr(webbrowser, "_tryorder", None)
    monkeypatch.setattr(webbrowser, "_browsers", {})


def write(reports: Path, run_id: str = RUN, *, ended: bool = True) -> Path:
    """A report as a run leaves it."""
    report = ReportWriter(reports, run("retry", run_id=run_id, ended=None))
    if ended:
        report.finish(environment={})
    return report.folder


def test_open_in_a_process_of_its_own_shows_the_latest_report(reports: Path, browser: Path) -> None:
    folder = write(reports)
    done = subprocess.run([*HARNESS, "report", "open"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder / 'index.html'}\n", "")
    assert browser.read_text() == (folder / "index.html").as_uri()


def test_open_shows_the_latest_report_or_the_one_that_is_named(
    reports: Path, browser: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(reports)
    latest = write(reports, OTHER)
    for words, folder in (((), latest), ((RUN,), reports / RUN), ((str(reports / RUN),), reports / RUN)):
        assert cli.main(["report", "open", *words]) == 0
        assert capsys.readouterr() == (f"{folder / 'index.html'}\n", "")
        assert browser.read_text() == (folder / "index.html").as_uri()


def test_open_says_so_where_there_is_no_browser(
    reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(reports)
    for name, value in {"PATH": str(tmp_path), "BROWSER": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""}.items():
        monkeypatch.setenv(name, value)
    forget_browsers(monkeypatch)
    assert cli.main(["report", "open"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == str(folder / "index.html")
    assert second == f"no browser found; `harness report serve {RUN}` serves the page to other programs on this machine"


def test_open_makes_the_page_of_a_run_that_was_killed(reports: Path, browser: Path) -> None:
    folder = write(reports, ended=False)
    assert not (folder / "index.html").exists()
    assert cli.main(["report", "open"]) == 0
    assert "The run has not ended" in (folder / "index.html").read_text()


def test_open_makes_the_page_anew_when_a_benchmark_came_after_it(reports: Path, browser: Path) -> None:
    folder = write(reports)
    assert 'id="pulls"' not in (folder / "index.html").read_text()
    row = {"registry": "ghcr.io", "image": "controller:2.5.2", "state": "cold", "samples": [1, 2, 3], "median": 2}
    document = {"rows": [row], "node": "kindest/node:v1", "stand_ins": {"profile": "30 ms"}, "machine": {"cpus": 2}}
    (reports / PULLS).write_text(json.dumps(document))
    later = (folder / "index.html").stat().st_mtime + 5
    os.utime(reports / PULLS, (later, later))
    assert cli.main(["report", "open"]) == 0
    page = (folder / "index.html").read_text()
    assert "<title>Pull durations in seconds</title>" in page
    assert "<dt>node</dt><dd>kindest/node:v1</dd>" in page
    assert "<dt>stand-ins</dt><dd>30 ms</dd>" in page
    (folder / PULLS).write_text("[{}]")
    os.utime(folder / PULLS, (later + 99, later + 99))
    assert cli.main(["report", "open"]) == 0
    assert "bench-pull.json cannot be read" in (folder / "index.html").read_text()


@pytest.mark.parametrize("action", ["open", "serve"])
@pytest.mark.parametrize(
    ("made", "words", "said", "step"),
    [
        (False, (), "there are no reports in", "run some cells first"),
        (True, ("20990101-000000-ffff",), "there is no report of run 20990101-000000-ffff", f"the latest are: {RUN}"),
        (True, ("{reports}",), "is not a report: it has no results.json", RUN),
    ],
)
def test_a_report_that_is_not_there_is_one_clear_error(
    reports: Path,
    capsys: pytest.CaptureFixture[str],
    action: str,
    made: bool,
    words: tuple[str, ...],
    said: str,
    step: str,
) -> None:
    if made:
        write(reports)
    assert cli.main(["report", action, *(word.format(reports=reports) for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert f"next: {'the latest are: ' if step == RUN else ''}{step}" in error


def test_results_of_another_version_are_one_clear_error(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(reports, ended=False)
    (folder / "results.json").write_text('{"schema_version": 99}')
    for action in ("open", "serve"):
        assert cli.main(["report", action]) == 2
        assert "cannot be read as results of this version of the harness" in capsys.readouterr().err


def test_a_port_that_is_taken_is_a_clear_error(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(reports)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["report", "serve", "--port", str(port)]) == 3
    error = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port}: the port is in use" in error
    assert "next: give another --port" in error


class Served:
    """A report that is being served by a process of its own."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        assert process.stdout is not None
        self.said = process.stdout.readline()
        self.port = int(self.said.rpartition(":")[2].partition("/")[0])

    def ask(self, path: str, *, method: str = "GET", host: str = "") -> tuple[int, str, http.client.HTTPMessage]:
        """Status, body and headers of an answer. The path goes out as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, headers={"Host": host or f"127.0.0.1:{self.port}"})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body, answer.headers


@pytest.fixture
def served(reports: Path) -> Iterator[Served]:
    folder = write(reports)
    evidence = folder / "kind-1.34" / "install-2.5.2" / "retry"
    evidence.mkdir(parents=True)
    (evidence / "pod.html").write_text("<script>alert(1)</script>")
    (evidence / "passwd").symlink_to("/etc/passwd")
    (reports / "secret").write_text("of another report")
    process = subprocess.Popen([*HARNESS, "report", "serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield Served(process, folder)
    finally:
        process.kill()
        process.communicate()


def test_serve_gives_the_page_and_the_evidence_and_ends_well_on_ctrl_c(served: Served) -> None:
    assert served.said == f"serving {served.folder} at http://127.0.0.1:{served.port}/; stop with Ctrl-C\n"
    status, body, headers = served.ask("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body == (served.folder / "index.html").read_text()
    assert served.ask("/index.html")[1] == body
    assert served.ask("/index.html", method="HEAD")[:2] == (200, "")
    assert '"run_id"' in served.ask("/results.json")[1]
    assert "pod.html" in served.ask("/kind-1.34/install-2.5.2/retry/")[1]
    served.process.send_signal(signal.SIGINT)
    _, complaints = served.process.communicate(timeout=20)
    assert (served.process.returncode, complaints) == (0, "")


def test_serve_lets_no_browser_run_what_came_out_of_a_cluster_and_reads_only_this_report(served: Served) -> None:
    _, _, headers = served.ask("/kind-1.34/install-2.5.2/retry/pod.html")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    for method in ("POST", "PUT", "DELETE"):
        assert served.ask("/results.json", method=method)[0] == 501
    for path in ("/../secret", "/%2e%2e/secret", "/kind-1.34/install-2.5.2/retry/passwd", "/nothing", "/%00"):
        assert served.ask(path)[0] == 404, path
    # Only to names of this machine.
    assert served.ask("/", host="evil.example:80")[0] == 421
    assert served.ask("/", host=f"localhost:{served.port}")[0] == 200
    assert served.ask("/", host="localhost:9999")[0] == 200, "a tunnel has a port of its own"
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", served.port), timeout=5):
        pass


def test_serve_shows_a_run_that_goes_on_as_far_as_it_is(served: Served) -> None:
    results = served.folder / "results.json"
    results.write_text(run("spark-pi", "ttl", ended=None).model_dump_json())
    later = (served.folder / "index.html").stat().st_mtime + 5
    os.utime(results, (later, later))
    assert "The run has not ended" in served.ask("/")[1]
    assert "The run has not ended" not in (served.folder / "index.html").read_text()
    results.write_text("{")
    os.utime(results, (later + 9, later + 9))
    status, body, _ = served.ask("/")
    assert status == 500
    assert "cannot be read as results" in body
