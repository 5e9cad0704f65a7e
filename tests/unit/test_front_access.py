# SPDX-License-Identifier: Apache-2.0
"""What a request is for, and who may make it, for each of the public registries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.registries.front.access import Route, Wanted, basic, bearer, judge, route, visibility_of, wanted
from harness.registries.front.profile import Case, Visibility, profile
from harness.registries.tokens import PackageScope, PersonalToken, Right


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/", Route(target="base")),
        ("/v2", Route(target="base")),
        ("/v2/a/b/manifests/1.0", Route(target="manifests", repository="a/b", reference="1.0")),
        ("/v2/a/blobs/sha256:0", Route(target="blobs", repository="a", reference="sha256:0")),
        ("/v2/a/b/c/tags/list", Route(target="tags", repository="a/b/c")),
        ("/v2/a/b/referrers/sha256:0", Route(target="tags", repository="a/b", reference="sha256:0")),
        ("/v2/a/b/blobs/uploads/", Route(target="uploads", repository="a/b")),
        ("/v2/a/b/blobs/uploads/01a2", Route(target="uploads", repository="a/b", reference="01a2")),
        (
            "/v2/manifests/manifests/manifests/1",
            Route(target="manifests", repository="manifests/manifests", reference="1"),
        ),
        ("/token", None),
        ("/v2/_catalog", None),
        ("/", None),
    ],
)
def test_paths_lead_where_the_distribution_specification_says(path: str, expected: Route | None) -> None:
    assert route(path) == expected


@pytest.mark.parametrize(
    ("path", "method", "right"),
    [
        ("/v2/a/manifests/1", "GET", "pull"),
        ("/v2/a/manifests/1", "HEAD", "pull"),
        ("/v2/a/manifests/1", "PUT", "push"),
        ("/v2/a/manifests/1", "DELETE", "delete"),
        ("/v2/a/blobs/uploads/", "POST", "push"),
        ("/v2/a/blobs/uploads/1", "GET", "push"),
        ("/v2/a/blobs/uploads/1", "DELETE", "push"),
        ("/v2/a/tags/list", "GET", "pull"),
    ],
)
def test_each_request_needs_its_right(path: str, method: str, right: str) -> None:
    found = route(path)
    assert found is not None
    assert found.right(method) == right


def test_only_the_get_of_a_manifest_is_a_pull() -> None:
    counted = {
        (method, path)
        for method in ("GET", "HEAD", "PUT")
        for path in ("/v2/a/manifests/1", "/v2/a/blobs/sha256:0", "/v2/a/tags/list")
        if (found := route(path)) and found.is_pull(method)
    }
    assert counted == {("GET", "/v2/a/manifests/1")}


def test_scopes_are_read_as_clients_write_them() -> None:
    asked = ["repository:a/b:pull,push repository:c:pull", "repository:host:5000/d:*", "registry:catalog:*", "nonsense"]

    assert wanted(asked) == [
        Wanted(repository="a/b", rights=("pull", "push")),
        Wanted(repository="c", rights=("pull",)),
        Wanted(repository="host:5000/d", rights=("pull", "push", "delete")),
    ]


def token(*scopes: PackageScope, packages: tuple[str, ...] = ("*",)) -> PersonalToken:
    return PersonalToken(user="robot", secret="s", scopes=frozenset(scopes), packages=packages)


READ = token("read:packages")
WRITE = token("write:packages")
ELSEWHERE = token("write:packages", packages=("other/*",))
CREATES_NONE = replace(WRITE, creates=False)


@pytest.mark.parametrize(
    ("host", "caller", "right", "visibility", "exists", "case"),
    [
        # Nobody in particular may read what is public and there, and nothing else.
        ("ghcr.io", None, "pull", "public", True, None),
        ("ghcr.io", None, "pull", "private", True, "anonymous-denied"),
        ("ghcr.io", None, "pull", "public", False, "anonymous-denied"),
        ("ghcr.io", None, "push", "public", True, "anonymous-denied"),
        ("docker.io", None, "pull", "public", True, None),
        ("docker.io", None, "pull", "public", False, "anonymous-denied"),
        # A token's scopes count, but for reading what anybody may read.
        ("ghcr.io", READ, "pull", "private", True, None),
        ("ghcr.io", READ, "push", "private", True, "scope-missing"),
        ("ghcr.io", token(), "pull", "private", True, "scope-missing"),
        ("ghcr.io", token(), "pull", "public", True, None),
        ("ghcr.io", WRITE, "push", "private", False, None),
        ("ghcr.io", WRITE, "delete", "private", True, "scope-missing"),
        # Somebody else's package.
        ("ghcr.io", ELSEWHERE, "pull", "private", True, "package-denied"),
        ("ghcr.io", ELSEWHERE, "pull", "public", True, None),
        ("ghcr.io", ELSEWHERE, "push", "public", True, "package-denied"),
        # A workflow's token where the organization lets it create nothing.
        ("ghcr.io", CREATES_NONE, "push", "private", False, "creation-denied"),
        ("ghcr.io", CREATES_NONE, "push", "private", True, None),
        ("ghcr.io", CREATES_NONE, "pull", "private", False, None),
        ("docker.io", CREATES_NONE, "push", "private", False, None),
        # Docker Hub does not tell a missing repository from a private one; GitHub does to those who are logged in.
        ("docker.io", READ, "pull", "private", False, "package-denied"),
        ("ghcr.io", READ, "pull", "private", False, None),
        ("docker.io", WRITE, "pull", "private", False, None),
    ],
)
def test_who_may_do_what(
    host: str, caller: PersonalToken | None, right: Right, visibility: Visibility, exists: bool, case: Case | None
) -> None:
    assert judge(profile(host), caller, right, "a/b", visibility, exists=exists) == case


def test_a_package_is_as_visible_as_its_name_says_before_any_glob() -> None:
    packages: dict[str, Visibility] = {"a/*": "public", "a/secret": "private"}

    assert visibility_of(packages, "a/open", "private") == "public"
    assert visibility_of(packages, "a/secret", "private") == "private"
    assert visibility_of(packages, "b/new", "private") == "private"
    assert visibility_of(packages, "b/new", "public") == "public"


def test_authorization_headers_are_read() -> None:
    assert basic("Basic cm9ib3Q6YTpi") == ("robot", "a:b")
    assert basic("basic cm9ib3Q6") == ("robot", "")
    assert basic("Basic cm9ib3Q=") is None
    assert basic("Basic ***") is None
    assert basic("Bearer abc") is None
    assert bearer("Bearer abc") == "abc"
    assert bearer("Basic abc") == ""
