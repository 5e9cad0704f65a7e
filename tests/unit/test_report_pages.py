# SPDX-License-Identifier: Apache-2.0
"""The readable reports: the HTML page, GitHub's job summary, the terminal."""

from __future__ import annotations

import re
from pathlib import Path

from report_samples import FINDINGS, LOCK, result, run
from rich.console import Console

from harness.report import html, junit, summary
from harness.report.flakes import flakes
from harness.report.model import ImageResult, RetryResult, RunResult, SourceResult

REPRO = f"nox -s e2e -- --cell kind-1.34/install-2.5.2/retry --lock {LOCK}"
ELSEWHERE = "download the evidence and pass its folder to --lock"


def shown(report: RunResult, width: int = 100) -> str:
    console = Console(width=width, record=True, force_terminal=False)
    summary.terminal(report, console, Path("/reports/run"))
    return console.export_text()


def test_the_job_summary_starts_with_the_worst() -> None:
    text = summary.markdown(run(*FINDINGS))
    lines = text.splitlines()
    expected = "5 cells: 1 error, 1 failed, 1 unavailable, 1 broken-as-known, 1 passed"
    assert lines[0] == f"## ❌ Spark Operator harness: {expected}"
    assert text.index("error: `") < text.index("failed: `") < text.index("unavailable: `")
    assert f"```sh\n{REPRO}\n```" in text
    row = next(line for line in lines if line.startswith("| `kind-1.34/install-2.5.2/retry`"))
    assert row.endswith("| state is &lt;COMPLETED&gt; \\| not FAILED |")
    assert ELSEWHERE in text
    assert ELSEWHERE not in summary.markdown(run("spark-pi"))
    assert summary.markdown(run("spark-pi")).startswith("## ✅ Spark Operator harness: 1 cell: 1 passed")


def test_the_terminal_gives_each_bad_cell_a_line_to_copy_and_its_evidence() -> None:
    text = shown(run(*FINDINGS), width=60)
    lines = text.splitlines()
    assert f"  repro:    {REPRO}" in lines
    assert "  evidence: /reports/run/kind-1.34/install-2.5.2/retry" in lines
    assert "failed: kind-1.34/install-2.5.2/retry" in lines
    assert not any(line.startswith("  repro:") and "spark-pi --lock" in line for line in lines)
    assert text.index("failed: kind") < text.index("error: kind"), "the worst is the last, where it stays in sight"
    assert "\x1b" not in text
    assert "  the API server\N{REPLACEMENT CHARACTER} went away" in lines
    assert lines[-2] == "5 cells: 1 error, 1 failed, 1 unavailable, 1 broken-as-known, 1 passed"
    assert lines[-1] == "report: /reports/run"


def test_the_table_has_verdict_seconds_and_reason() -> None:
    text = shown(run("spark-pi", "ttl"), width=160)
    assert re.search(r"install-2\.5\.2/spark-pi +│ passed +│ +33\.8", text)
    assert re.search(r"install-2\.5\.2/ttl +│ unavailable +│ +33\.8 │ docker\.io/apache/spark:4\.0\.4", text)


def test_attempts_and_what_is_missing_are_named() -> None:
    report = run("spark-pi", planned=("kind-1.34/install-2.5.2/spark-pi", "a/b/c"), leaks=("network soh",))
    report = report.model_copy(update={"cells": (*report.cells, result("retry", attempt=2))})
    text = shown(report)
    assert "failed: kind-1.34/install-2.5.2/retry (attempt 2)" in text
    assert "no result: a/b/c" in text
    assert "left behind: network soh" in text
    assert "3 cells: 1 without a result, 1 failed, 1 passed" in text


def test_the_job_summary_names_the_artefact_with_the_evidence() -> None:
    text = summary.markdown(run("retry"), artifact="reports-kind-1.34")

    assert "Evidence: `kind-1.34/install-2.5.2/retry` in the artefact `reports-kind-1.34`" in text
    assert "in the artefact" not in summary.markdown(run("retry"))


def test_a_job_summary_ends_before_github_refuses_all_of_it(tmp_path: Path) -> None:
    page = summary.markdown(run(*FINDINGS))
    for room in range(len(page.encode())):
        file = tmp_path / f"{room}.md"
        file.write_text("before\n")
        summary.add_to_job(page, file, most=room + len("before\n"))

        begun, _, note = file.read_text().removeprefix("before\n").rpartition("\nThis is not all: ")
        assert page.startswith(begun)
        assert len(begun.encode()) <= room
        assert begun.count("```") % 2 == 0, "no fence stays open"
        assert int(note.removesuffix(" more lines are in `summary.md` of the report.\n")) == page.count(
            "\n"
        ) - begun.count("\n")


def test_drift_and_seed_are_on_every_page() -> None:
    drifted = result("retry", drift=["the input node image has digest a here and b in the lock"])
    report = run("retry", seed=77).model_copy(update={"cells": (drifted,)})

    for page in (shown(report, width=200), summary.markdown(report), html.render(report)):
        assert re.search("seed( |</dt><dd>)77", page)
        assert "the input node image has digest a here and b in the lock" in page


def test_the_flake_rate_is_on_every_page() -> None:
    cells = tuple(result("retry" if number in (3, 7) else "spark-pi", attempt=number) for number in range(1, 21))
    cells = tuple(cell.model_copy(update={"id": "e/p/s"}) for cell in cells)
    report = run(flakes=flakes(cells)).model_copy(update={"cells": cells})
    said = "failed 2 of 20: 10 % (95 %: 3\N{EN DASH}30 %)"

    assert f"repeated: e/p/s {said}" in shown(report)
    assert f"| `e/p/s` | {said} |" in summary.markdown(report)
    assert f"<td>{said}</td>" in html.render(report)
    assert said in junit.render(report)


def test_stand_ins_for_the_public_registries_are_called_that_on_every_page() -> None:
    report = run("spark-pi", source=SourceResult(kind="upstream", why="requested", rehearsed=True))

    for page in (shown(report), summary.markdown(report), html.render(report), junit.render(report)):
        assert "upstream (rehearsed)" in page
    assert "from upstream:" not in html.render(report)


def test_what_stood_for_k3s_is_named_on_every_page() -> None:
    name = "upstream Kubernetes in a k3s-shaped node"
    document = run("spark-pi")
    other = result("ttl", distribution=name).model_copy(update={"environment": "k3d-1.34"})
    mixed = document.model_copy(update={"cells": (*document.cells, other)})

    line = f"k3d-1.34: {name}"
    for page in (shown(mixed), summary.markdown(mixed), html.render(mixed)):
        assert line in page
    assert f'name="distribution" value="{name}"' in junit.render(mixed)
    assert name not in summary.markdown(document)


def test_images_that_were_relocated_or_imported_are_named_on_every_page() -> None:
    copied = ImageResult(
        reference="docker.io/kubeflow/spark-operator:2.2.1",
        digest="sha256:1",
        registry="docker.io",
        obtained="foundry, relocated from ghcr.io/kubeflow/spark-operator/controller:2.2.1",
    )
    plain = copied.model_copy(update={"reference": "docker.io/apache/spark:4.0.4", "obtained": "foundry"})
    with_images = result("spark-pi").model_copy(update={"images": (copied, plain)})
    report = run("spark-pi").model_copy(update={"cells": (with_images, with_images)})
    line = f"{copied.reference}: {copied.obtained}"
    assert shown(report, 200).count(line) == 1
    assert summary.markdown(report).count(line) == 1
    assert copied.obtained in html.render(report)
    assert f"{plain.reference}: " not in shown(report, 200)


def test_a_second_try_is_told_on_every_page_although_the_cell_passed() -> None:
    retry = RetryResult(cause="node-lost", message="the API server does not answer", cluster="soh-1")
    report = run("ttl").model_copy(update={"cells": (result("spark-pi", retries=[retry]),)})

    for page in (shown(report, width=200), summary.markdown(report), html.render(report)):
        assert "node-lost: the API server does not answer" in page
        assert "1 passed, 1 retried" in page
    assert 'name="retried" value="node-lost: the API server does not answer"' in junit.render(report)


def test_a_cell_that_stayed_in_trouble_tells_of_its_first_try() -> None:
    retry = RetryResult(cause="host-memory", message="pod x was evicted", cluster="soh-1", evidence="a/b/c.first-try")
    report = run("ttl").model_copy(update={"cells": (result("config-map", retries=[retry]),)})

    assert "retried:  pod x was evicted (host-memory)" in shown(report, width=200)
    assert "- retried: pod x was evicted (host-memory)\n\n" in summary.markdown(report)
    assert 'href="./a/b/c.first-try/"' in html.render(report)
