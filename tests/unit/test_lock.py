# SPDX-License-Identifier: Apache-2.0
"""Locks: a digest that is the same anywhere, differences in words, values without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lock_samples import NODE, OPERATOR, chart, environment, lock

from harness import __version__
from harness.errors import UsageError
from harness.redaction.redactor import MASK
from harness.run.lock import (
    LockedImage,
    LockedOperator,
    LockedRelease,
    differences,
    digest_of,
    digits,
    masked,
    parse,
    unmasked,
)


def test_other_debian_packages_are_told_and_matter_no_more_than_a_tool() -> None:
    there, here = ({"spark-base": f"sha256:{digit * 64}", "node-base": f"sha256:{'0' * 64}"} for digit in "12")

    (found,) = differences(lock(packages=there), lock(packages=here))

    assert (str(found), found.matters) == (
        "the base system spark-base has other Debian packages here than in the lock",
        False,
    )
    # A lock from before it told them has nothing to compare, and keeps its digest.
    assert differences(lock(), lock(packages=here)) == []
    assert "packages" not in lock().text()


def test_the_digest_is_of_what_is_said_and_not_of_how_it_is_laid_out() -> None:
    document = lock().model_dump(mode="json")
    shuffled = dict(reversed(document.items()))

    assert digest_of(shuffled) == lock().digest
    assert parse(json.dumps(shuffled, indent=8), where="x").digest == lock().digest
    assert parse(lock().text(), where="x") == lock()
    assert lock(seed=8).digest != lock().digest
    assert len(digits(lock().digest)) == 64


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("sha256:" + "a1" * 32, "a1" * 32),
        ("a1" * 32, "a1" * 32),
        ("sha256:0123456789ab", "0123456789ab"),
        ("0123456789a", ""),
        ("sha256:0123456789AB", ""),
        ("sha512:0123456789ab", ""),
        ("evidence/", ""),
        ("a1" * 33, ""),
    ],
)
def test_a_digest_or_the_beginning_of_one(word: str, found: str) -> None:
    assert digits(word) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not a lock"),
        ("[]", "JSON, but not a lock"),
        ('{"run_id": "x", "cells": []}', "JSON, but not a lock"),
        ('{"cell": "a/b/c", "seed": 1, "schema_version": 2}', "of the form 2; this harness reads 1"),
        ('{"cell": "a/b/c", "seed": 1, "schema_version": 1}', "harness_version: Field required"),
    ],
)
def test_what_is_no_lock_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"evidence/lock\.json") as told:
        parse(text, where="evidence/lock.json")
    assert said in told.value.message
    assert told.value.next_step


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ('"cell":', '"cell": "kind-1.34/install-2.5.2/jvm", "cell":', "it has the key 'cell' twice"),
        ('"seed": ', '"seed": true, "was": ', "seed: Input should be a valid integer"),
        ('"reference": "', '"reference": "/etc/', "images.0.reference: "),
    ],
)
def test_what_a_stranger_wrote_into_a_lock_is_what_its_name_says(written: str, instead: str, said: str) -> None:
    text = lock(images=[{"reference": "docker.io/apache/spark:4.0.4"}]).text()
    assert written in text
    with pytest.raises(UsageError) as told:
        parse(text.replace(written, instead, 1), where="lock.json")
    assert said in told.value.message


def test_of_a_lock_that_another_version_wrote_both_versions_are_told() -> None:
    newer = lock(harness_version="9.0.0").text().replace('"seed"', '"mood": 1, "seed"')
    with pytest.raises(UsageError, match="mood: Extra inputs") as told:
        parse(newer, where="lock.json")
    assert f"this is harness {__version__}, and 9.0.0 wrote it" in told.value.next_step


def test_the_same_inputs_have_no_differences() -> None:
    assert differences(lock(), lock(seed=8, values={})) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": "upstream"}, "the source of images is upstream here and foundry in the lock"),
        ({"environment": environment(kubernetes="1.34.5")}, "Kubernetes is 1.34.5 here and 1.34.4 in the lock"),
        ({"environment": environment(provider="k3d")}, "the provider of kind-1.34 is k3d here and kind in the lock"),
        ({"environment": environment(distribution="k3s")}, "the distribution is k3s here and kubernetes in the lock"),
        (
            {"environment": environment(node=NODE.model_copy(update={"identity": "recipe ba"}))},
            "node image has digest recipe ba here and recipe 0123456789ab in the lock",
        ),
        (
            {"chart": chart(sha256="cd" * 32)},
            f"chart spark-operator 2.5.2 has digest {'cd' * 32} here and {'ab' * 32} in the lock",
        ),
        (
            {"images": (LockedImage(reference=OPERATOR, digest="sha256:" + "22" * 32),)},
            f"{OPERATOR} has digest sha256:{'22' * 32} here and sha256:{'11' * 32} in the lock",
        ),
        ({"images": (LockedImage(reference=OPERATOR),)}, f"{OPERATOR} has digest none here"),
        (
            {"release": LockedRelease(version="2.5.2", registry="docker.io", repository="x")},
            "the registry of release 2.5.2 is docker.io/x here and ghcr.io/kubeflow/spark-operator/controller in the",
        ),
    ],
)
def test_an_input_that_differs_matters_and_is_named_with_both_values(changes: dict[str, Any], said: str) -> None:
    (difference,) = differences(lock(), lock(**changes))

    assert difference.matters
    assert f"the input {said}" in str(difference)


def test_images_that_only_one_side_has_matter() -> None:
    other = lock(images=(LockedImage(reference="docker.io/apache/spark:4.0.4", digest="sha256:" + "33" * 32),))

    assert [str(it) for it in differences(lock(), other)] == [
        f"the input {OPERATOR} is in the lock and is not used here",
        "the input docker.io/apache/spark:4.0.4 is used here and is not in the lock",
    ]


def test_another_harness_and_other_programs_are_only_told() -> None:
    found = differences(lock(), lock(harness_version="9", tools={"helm": "4.0.0", "kind": "1"}))

    assert not any(it.matters for it in found)
    assert [str(it) for it in found] == [
        "the harness is 9 here and 0.1.0 in the lock",
        "the program helm is 4.0.0 here and 3.22.0 in the lock",
        "the program kind is 1 here and none in the lock",
    ]


def test_what_the_first_machine_did_not_have_is_no_difference() -> None:
    assert differences(lock(environment=environment(node=None), chart=None), lock()) == []


SECRETS = {
    "s3": {"secretKey": "c2VjcmV0", "endpoint": "https://s3"},
    "controller": {
        "env": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "LEVEL", "value": "debug"}],
        "pods": 1,
    },
    "a/b": {"api-token": 1234},
    "url": "https://me:hunter2@example.com",
    "imagePullSecrets": [{"name": "pull"}],
    "password": "",
}


def test_values_that_look_like_secrets_are_masked_and_their_places_told() -> None:
    shown, pointers = masked(SECRETS)

    assert pointers == ("/s3/secretKey", "/controller/env/0/value", "/a~1b/api-token", "/url")
    assert shown["s3"] == {"secretKey": MASK, "endpoint": "https://s3"}
    assert shown["controller"]["env"][1] == {"name": "LEVEL", "value": "debug"}
    assert shown["imagePullSecrets"] == [{"name": "pull"}]
    for secret in ("hunter2", "c2VjcmV0", "1234"):
        assert secret not in json.dumps(shown)


def test_secrets_of_the_run_are_masked_wherever_they_are() -> None:
    shown, pointers = masked({"note": "log in with swordfish"}, ["swordfish"])

    assert (shown, pointers) == ({"note": MASK}, ("/note",))


def test_values_without_secrets_need_nothing_again() -> None:
    assert unmasked(lock(), {}) == {"controller": {"replicas": 1}}


def test_masked_values_are_given_again() -> None:
    shown, pointers = masked(SECRETS)
    locked = lock(values=shown, redacted=pointers)

    assert unmasked(locked, SECRETS) == SECRETS
    with pytest.raises(UsageError, match=r"/s3/secretKey, .*/url") as told:
        unmasked(locked, {})
    assert "--values FILE" in told.value.next_step


def test_one_masked_value_that_is_missing_is_named() -> None:
    shown, pointers = masked({"token": "a", "password": "b"})

    with pytest.raises(UsageError, match=r"like some: /password\n"):
        unmasked(lock(values=shown, redacted=pointers), {"token": "a"})


def test_values_that_say_something_else_contradict_the_lock() -> None:
    with pytest.raises(UsageError, match="says something else than the lock") as told:
        unmasked(lock(), {"controller": {"replicas": 2}})
    assert "leave out --values" in told.value.next_step
    with pytest.raises(UsageError, match="says something else than the lock"):
        unmasked(lock(), {"more": True})


def test_values_that_say_the_same_are_no_contradiction() -> None:
    assert unmasked(lock(), {"controller": {"replicas": 1}}) == lock().values


def test_other_sample_applications_matter() -> None:
    (difference,) = differences(lock(applications="aa"), lock(applications="bb"))

    assert difference.matters
    assert str(difference) == "the input charts/spark-samples has digest bb here and aa in the lock"


def test_what_was_watched_is_part_of_a_lock_where_there_was_something() -> None:
    watched = lock(watched=("schedules", "standing"))
    assert "watched" not in json.loads(lock().text())
    assert json.loads(watched.text())["watched"] == ["schedules", "standing"]
    assert watched.digest != lock().digest
    assert parse(watched.text(), where="x") == watched


def operator(**changes: Any) -> LockedOperator:
    return LockedOperator(**{"name": "dev", "given": "checkout", "sha256": "ab" * 32, **changes})


def test_the_operator_under_test_is_in_a_lock_by_its_files_and_in_no_other_lock() -> None:
    made = lock(operator=operator(commit="c" * 40, dirty=True, diff="sha256:" + "dd" * 32))

    assert "operator" not in json.loads(lock().text())
    assert parse(made.text(), where="here") == made
    assert made.digest != lock(operator=operator()).digest


def test_another_operator_under_test_matters_and_another_commit_of_the_same_files_does_not() -> None:
    there = lock(operator=operator(commit="c" * 40))
    here = lock(operator=operator(sha256="cd" * 32, commit="e" * 40, dirty=True, diff="sha256:" + "dd" * 32))

    assert differences(there, lock(operator=operator(commit="e" * 40))) == []
    (found,) = differences(there, here)
    assert found.matters
    assert str(found).startswith(
        "the operator dev is the checkout cdcdcdcdcdcd, commit eeeeeeeeeeee with the changes sha"
    )
    assert str(found).endswith("here and the checkout abababababab, commit cccccccccccc in the lock")
