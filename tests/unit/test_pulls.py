# SPDX-License-Identifier: Apache-2.0
"""Scenarios about registries: their rows, their families, and what is claimed of a log and of an event."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import stories
from harness.errors import CatalogueError
from harness.kube import pull_messages
from harness.kube.pull_messages import PullsLeft
from harness.matrix import catalogue as catalogues
from harness.matrix.select import Selection, choose
from harness.registries.front.access_log import Request
from harness.run import plan
from harness.run.attempt import Attempt
from harness.stories.registries import catalogue, claims, private_packages, pull_limit, scenarios
from harness.stories.registries.kubelet import Stuck
from harness.stories.registries.scenarios import credentials_rotated
from harness.stories.registries.secrets import PullSecret
from harness.verdicts import Finding, Verdict

_SPARK = "kubeflow/spark"
_PREFIX = 'Failed to pull image "{image}": failed to pull and unpack image "{image}": '
_IMAGE = "docker.io/apache/spark:4.0.4"


def said(words: str, image: str = _IMAGE) -> str:
    return _PREFIX.format(image=image) + words


def request(
    repository: str, *, user: str = "", status: int = 200, method: str = "GET", what: str = "manifests/1"
) -> Request:
    return Request(
        time="2026-01-01T00:00:00.000+00:00",
        method=method,
        path=f"/v2/{repository}/{what}",
        repository=repository,
        status=status,
        bytes=1,
        user=user,
        source="172.18.0.2",
        seconds=0.1,
    )


def secret(user: str, repository: str = _SPARK) -> PullSecret:
    return PullSecret(name=f"pull-{user}", namespace="n", user=user, repository=repository)


def stuck(message: str, *, reasons: tuple[str, ...] = ("ErrImagePull",), others: tuple[str, ...] = ()) -> Stuck:
    return Stuck(pod="spark-pi-driver", uid="1", image=_IMAGE, reasons=reasons, message=message, others=others, after=3)


_WORDS = {
    "failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://h/token?x: 403 "
    "Forbidden": "docker.io refused the login: 403 Forbidden",
    "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://h/token: 401 "
    "Unauthorized": "docker.io gives this to nobody without a login: 401 Unauthorized",
    "unexpected status from HEAD request to https://h/v2/a/manifests/1: 403 Forbidden": (
        "docker.io does not let this account read it: 403 Forbidden"
    ),
    "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: "
    "authorization failed": "docker.io has no such repository, or wants a login: 401 Unauthorized",
    "docker.io/apache/spark:4.0.4: not found": "docker.io has no such image",
    "unexpected status from HEAD request to https://h: 503 Service Unavailable": (
        "docker.io answered 503 Service Unavailable"
    ),
    "unexpected commit digest sha256:4290000000000000, expected sha256:5030000000000: failed precondition": (
        "docker.io sent content that is not what its digest says"
    ),
    "short read: expected 233 bytes but got 116: unexpected EOF": "docker.io sent less than it promised",
    "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time": (
        "docker.io shows a certificate that has expired"
    ),
    "dial tcp 127.0.0.1:1: connect: connection refused": "docker.io cannot be reached",
    "something that nobody has seen yet": "not recognised",
}


@pytest.mark.parametrize(("words", "cause"), _WORDS.items())
def test_the_cause_is_named_from_containerds_words(words: str, cause: str) -> None:
    assert pull_messages.read(said(words)).words == cause


def test_a_limit_is_named_with_its_numbers() -> None:
    message = said(
        "unexpected status from GET request to https://h/v2/x: 429 Too Many Requests\n"
        "toomanyrequests: You have reached your unauthenticated pull rate limit."
    )
    failure = pull_messages.read(message)
    assert failure.with_limit(None) == "docker.io answered 429"
    assert failure.with_limit(PullsLeft(limit=100, remaining=0, window=21600)) == pull_limit.CAUSE
    assert str(PullsLeft(limit=5, remaining=2, window=90)) == "2 of 5 pulls left, window 90 s"


def test_every_row_is_a_scenario_and_none_is_run_unasked() -> None:
    found = scenarios.discover()
    table = catalogue.load()
    assert {f"registry-held-{row.how}" for row in table.held} <= set(found)
    for prefix, names in (("fault", table.fault), ("limit", table.limit)):
        assert {f"registry-{prefix}-{row.name}" for row in names} == {
            it for it in found if it.startswith(f"registry-{prefix}-")
        }
    matrix = catalogues.load()
    everything = stories.scenarios()
    for selection in (
        Selection(),
        Selection(environments=("kind-1.34",)),
        Selection(tags=("full",)),
        Selection(tags=("upgrades",)),
    ):
        chosen = [cell.scenario.name for cell in choose(matrix, selection, everything).cells]
        assert chosen
        assert not [name for name in chosen if name in found]
    asked = {cell.scenario.name for cell in choose(matrix, Selection(tags=("registries",)), everything).cells}
    assert asked == set(found)


def test_cells_of_a_family_share_a_cluster_that_no_other_cell_has() -> None:
    matrix = catalogues.load()
    cells = choose(
        matrix,
        Selection(
            environments=("kind-1.34",), paths=("install-2.5.2",), scenarios=("registry-credentials-*", "spark-pi")
        ),
        stories.scenarios(),
    ).cells
    groups = [[it.cell.scenario.name for it in group] for group in plan.grouped([Attempt(cell=cell) for cell in cells])]
    assert ["registry-credentials-node"] in groups
    assert ["spark-pi"] in groups
    assert max(groups, key=len) == [
        it.scenario.name for it in cells if it.scenario.needs.cluster == "registry-credentials"
    ]


@pytest.mark.parametrize(
    ("old", "new", "said_of_it"),
    [
        ('how = "revoked"', 'how = "stolen"', "stolen"),
        ('kind = "status", status = 503', 'kind = "status", status = 418', "418"),
        ('home = "cache"', 'home = "quay.io"', "quay.io"),
        ('name = "503"', 'name = "500"', r"pulls\.toml, line \d+: key name: a second row with '500'"),
        ('says = "503 Service Unavailable"', 'says = "("', "unterminated"),
        ('says = "503 Service Unavailable"\n', "", "needs says and cause"),
    ],
)
def test_a_wrong_row_is_named(old: str, new: str, said_of_it: str, tmp_path: Path) -> None:
    text = catalogue.FILE.read_text()
    assert old in text
    (tmp_path / "pulls.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(CatalogueError, match=said_of_it):
        catalogue.load(tmp_path / "pulls.toml")


def verdicts(findings: list[Finding]) -> list[Verdict]:
    return [it.verdict for it in findings]


def test_the_log_proves_whose_login_was_used() -> None:
    own, other = request(_SPARK, user="driver"), request(_SPARK, user="node")
    found = private_packages.login_used(
        "login", "the pod", secret("driver"), spoiled=[request(_SPARK, status=401)], mended=[own]
    )
    assert found.verdict is Verdict.PASSED
    assert "then used the login driver" in found.message
    for spoiled, mended, said in (
        ([own], [own], "with a worthless token"),
        ([request(_SPARK, status=401)], [other], "not driver"),
        ([], [], "answered nobody for"),
    ):
        wrong = private_packages.login_used("login", "the pod", secret("driver"), spoiled=spoiled, mended=mended)
        assert wrong.verdict is Verdict.FAILED
        assert said in wrong.message


def test_what_came_of_rotated_tokens_is_said_in_words() -> None:
    found = credentials_rotated._new_tokens([request(_SPARK, user="driver")], ["executor"])
    assert found.verdict is Verdict.FAILED
    assert found.message == "the old tokens of executor are still good; ghcr.io answered driver"
    assert credentials_rotated._new_tokens([], []).message == "no old token is still good; ghcr.io answered nobody"


def test_a_node_that_logs_in_answers_for_pods_with_secrets_of_their_own() -> None:
    own = [secret("driver"), secret("executor")]
    assert private_packages.node_login_first([request(_SPARK, user="node")], "node", own).verdict is Verdict.PASSED
    for requests in (
        [request(_SPARK, user="driver")],
        [request(_SPARK, user="node"), request(_SPARK, user="executor")],
        [],
    ):
        assert private_packages.node_login_first(requests, "node", own).verdict is Verdict.FAILED


def test_each_role_used_its_own_secret() -> None:
    requests = [
        request(_SPARK, status=401),
        request(_SPARK, user="driver"),
        request(_SPARK, user="executor", method="HEAD"),
    ]
    found = private_packages.own_secret(
        requests, [secret("driver"), secret("executor")], {"pull-driver": ["d"], "pull-executor": ["e"]}
    )
    assert verdicts(found) == [Verdict.PASSED, Verdict.PASSED]
    assert found[0].evidence["users"] == {"driver": 1, "executor": 1}


@pytest.mark.parametrize(
    ("requests", "pods"),
    [
        ([request(_SPARK, user="executor")], {"pull-driver": ["d"]}),
        ([request(_SPARK, user="driver"), request(_SPARK)], {"pull-driver": ["d"]}),
        ([request(_SPARK, user="driver", status=403)], {"pull-driver": ["d"]}),
        ([request("kubeflow/other", user="driver")], {"pull-driver": ["d"]}),
        ([request(_SPARK, user="driver")], {}),
    ],
    ids=["somebody else", "nobody too", "refused", "another package", "no pod"],
)
def test_a_role_that_did_not_use_its_own_secret(requests: list[Request], pods: dict[str, list[str]]) -> None:
    assert verdicts(private_packages.own_secret(requests, [secret("driver")], pods)) == [Verdict.FAILED]


def test_a_pod_that_is_stuck_says_what_was_measured() -> None:
    good = claims.seen("c", stuck(said("403 Forbidden")), says="403 Forbidden", level="the app waits")
    assert good.verdict is Verdict.PASSED
    assert "the app waits" in good.message


@pytest.mark.parametrize(
    "it",
    [
        stuck(said("403 Forbidden")),
        stuck(""),
        stuck(said("401 Unauthorized"), reasons=("CreateContainerError",)),
        stuck(said("401 Unauthorized"), others=("Failed: other",)),
    ],
    ids=["other words", "no event", "other reason", "no warning"],
)
def test_a_pod_that_is_stuck_otherwise(it: Stuck) -> None:
    assert claims.seen("c", it, says="401 Unauthorized", warns="FailedToRetrieve").verdict is Verdict.FAILED


def test_words_that_nobody_knows_are_an_error() -> None:
    found = claims.diagnosed("d", stuck("gibberish"), cause="docker.io answered 429")
    assert (found.verdict, found.message) == (Verdict.ERROR, "not recognised: gibberish")


def test_a_diagnosis_that_names_something_else_is_a_failure() -> None:
    assert (
        claims.diagnosed("d", stuck("dial tcp: i/o timeout"), cause="docker.io answered 429").verdict is Verdict.FAILED
    )
    assert (
        claims.diagnosed("d", stuck(said("429 Too Many Requests")), cause="docker.io answered 429").verdict
        is Verdict.PASSED
    )
