# SPDX-License-Identifier: Apache-2.0
"""The way out of a refusal that is about a login, by what the registry says and by the sort of token.

GHCR takes classic personal access tokens and a workflow's GITHUB_TOKEN, and no others
(docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry). What it says is
from the reports that clusters/registries.toml names, from github.com/actions/runner/issues/1039 and from
github.com/docker/login-action/issues/331.
"""

from __future__ import annotations

from harness.images.logins import GHCR
from harness.images.references import DOCKER_HUB

_FINE_GRAINED = (
    "the login is a fine-grained personal access token, which GitHub Packages does not take: make a classic one with "
    "read:packages (github.com/settings/tokens), and log in again: docker login ghcr.io"
)
_WORKFLOWS = (
    "the login is a workflow's or an app's token: give the job `packages: read`, and the repository access to the "
    "package (package settings, Manage Actions access, role Read)"
)
_STRANGER = (
    "the token is good, but its owner may not read this package: have its administrator add the account (package "
    "settings, Manage access), and authorize the token for the organization where that enforces SSO (Configure SSO)"
)
# The sort of token, by its prefix → the way out, whatever is said (docs.github.com, about authentication to GitHub).
_GHCR_TOKENS = {"github_pat_": _FINE_GRAINED, "ghs_": _WORKFLOWS}
_GHCR_SAYS = {
    "does not match expected scopes": "give the classic token the scope read:packages (github.com/settings/tokens)",
    "not allowed to read organization package": _WORKFLOWS,
    "permission_denied: read_package": _STRANGER,
    "denied denied": (
        "the token is wrong, expired or revoked, which GHCR does not tell apart: make a classic one with read:packages "
        "(github.com/settings/tokens), and log in again: docker login ghcr.io"
    ),
    "cannot be authenticated with the token": (
        "the token expired or was revoked: make another (github.com/settings/tokens), and log in again: "
        "docker login ghcr.io"
    ),
}
_HUB_SAYS = {
    "insufficient scopes": (
        "give the access token the permission Read (app.docker.com, Account settings, Personal access tokens)"
    ),
    "incorrect username or password": (
        "the password or token is wrong, or belongs to another user than the login names: docker login"
    ),
}


# "Your authorization token has expired. Reauthenticate and try again.", and in other letters before 2020
# (aws/aws-cli#6580, sjednac/sbt-ecr#20).
_ECR_HOST = ".dkr.ecr."
_ECR_EXPIRED = "authorization token has expired"


def expired(host: str, said: str) -> str:
    """What to do about a login that a registry says has expired, for a pull or a push; empty where it does not."""
    if _ECR_HOST not in host or _ECR_EXPIRED not in said.lower():
        return ""
    return (
        f"ECR's tokens last 12 hours: aws ecr get-login-password | docker login --username AWS --password-stdin {host}"
    )


def way_out(host: str, said: str, secret: str) -> str:
    """What to do about a login that a registry refused with these words; empty where nothing particular is known."""
    words = said.lower()
    if host == GHCR:
        by_token = (step for prefix, step in _GHCR_TOKENS.items() if secret.startswith(prefix))
        return next(by_token, "") or _first(_GHCR_SAYS, words)
    return _first(_HUB_SAYS, words) if host == DOCKER_HUB else expired(host, said)


def _first(steps: dict[str, str], words: str) -> str:
    return next((step for part, step in steps.items() if part in words), "")
