# SPDX-License-Identifier: Apache-2.0
"""The way out of a refusal that is about a login, by what the registry says and by the sort of token.

GHCR takes classic personal access tokens and a workflow's GITHUB_TOKEN, and no others
(docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry). What it says is
from the reports that clusters/registries.toml names, from github.com/actions/runner/issues/1039 and from
github.com/docker/login-action/issues/331.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

from harness.errors import RegistryError
from harness.images.credentials import Credentials
from harness.images.logins import GHCR
from harness.images.references import DOCKER_HUB
from harness.kube import pull_messages
from harness.late import httpx
from harness.registries.challenges import challenges
from harness.registries.problems import is_page

_FINE_GRAINED = (
    "the login is a fine-grained personal access token, which GitHub Packages does not take: make a classic one with "
    "read:packages (github.com/settings/tokens), and log in again: docker login ghcr.io"
)
_WORKFLOWS = (
    "the login is a workflow's or an app's token: give the job `packages: read`, and the repository access to the "
    "package (package settings, Manage Actions access, role Read)"
)
_OF_GH = (
    "the login is the token of `gh`, which has no scope for packages of its own: gh auth refresh --scopes "
    "read:packages, then gh auth token | docker login ghcr.io --username NAME --password-stdin"
)
_STRANGER = (
    "the token is good, but its owner may not read this package: have its administrator add the account (package "
    "settings, Manage access), and authorize the token for the organization where that enforces SSO (Configure SSO)"
)
# The sort of token, by its prefix → the way out, whatever is said (docs.github.com, about authentication to GitHub).
_GHCR_TOKENS = {"github_pat_": _FINE_GRAINED, "ghs_": _WORKFLOWS, "gho_": _OF_GH}
_GHCR_SAYS = {
    "does not match expected scopes": "give the classic token the scope read:packages (github.com/settings/tokens)",
    "not allowed to read organization package": _WORKFLOWS,
    "permission_denied: read_package": _STRANGER,
    "saml enforcement": (
        "authorize the token for the organization, which enforces SSO (github.com/settings/tokens, Configure SSO)"
    ),
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
        "give the access token the permission Read (app.docker.com, Account settings, Personal access tokens; for one "
        "of an organization, dckr_oat_…: Admin Console, Access tokens, and there the repository)"
    ),
    "incorrect username or password": (
        "the password or token is wrong, or belongs to another user than the login names: docker login"
    ),
    "token is expired": (
        "the access token has expired: make another (app.docker.com, Account settings), and log in again: docker login"
    ),
}

# "Your authorization token has expired. Reauthenticate and try again.", and in other letters before 2020
# (aws/aws-cli#6580, sjednac/sbt-ecr#20). The hosts are in docs.aws.amazon.com/general/latest/gr/ecr.html.
_ECR_HOST = re.compile(r"\.dkr[.-]ecr\b")
_ECR_PUBLIC = "public.ecr.aws"
_ECR_EXPIRED = "authorization token has expired"
_ECR_RIGHTS = "is not authorized to perform"
_GOOGLE_HOST = re.compile(r"(^|[.])(gcr\.io|pkg\.dev)$")

_SCHEMES = {"basic", "bearer"}
"""What containerd answers (2.2.9, core/remotes/docker/authorizer.go)."""

# Users by which clouds and registries name a sort of login → what becomes of it.
_OF_AWS = "AWS"
_OF_GOOGLE = "oauth2accesstoken"
_OF_AZURE = "00000000-0000-0000-0000-000000000000"
_TORN_ROBOT = "Harbor's robots are called robot$NAME, of which a shell leaves `robot`: write it in single quotes"
_GITLABS = (
    "the token has expired, has no scope read_registry, or is not for this project: make another (in GitLab, the "
    "project's settings, Repository, Deploy tokens; or the user's, Access tokens)"
)
_GITLAB_JOB = (
    "a job's token of GitLab is good while its job runs, and for another project only where that allows it (Settings, "
    "CI/CD, Job token permissions)"
)
# docs.gitlab.com, security/tokens: prefixes of tokens
_BY_TOKEN = {"gldt-": _GITLABS, "glpat-": _GITLABS, "glcbt-": _GITLAB_JOB}
_BY_USER = {"gitlab+deploy-token": _GITLABS, "gitlab-ci-token": _GITLAB_JOB}


# Azure (aka.ms/acr/firewall); GitHub, for organizations (docs.github.com, managing allowed IP addresses).
_BARRED = re.compile(r"client with ip .* is not allowed access|has an ip allow list enabled", re.I)


def by_a_firewall(said: str) -> str:
    """What to do where a registry refuses the address of this machine, whoever asks; empty where it does not say so."""
    if not _BARRED.search(said):
        return ""
    return "have who runs the registry let this machine's address through its firewall, or ask from another one"


def at_another_server(there: str, mirror_of: str) -> str:
    """What to do where a registry leads to a server that wants a login. That of the registry is sent nowhere else, and
    nodes have none for the other either.

    `mirror_of` is the host that the registry is a mirror of, if it is one.
    """
    name = (
        f'have the url of [mirrors."{mirror_of}"] in harness.toml name {there} itself, with its login'
        if mirror_of
        else f"name the image as it is there ({there}/…), with a login for that: docker login {there}"
    )
    return f"the login of one server is sent to no other; {name}"


def expired(host: str, said: str) -> str:
    """What to do about a login that a registry says has expired, for a pull or a push; empty where it does not."""
    return _of_ecr(host) if _ECR_EXPIRED in said.lower() else ""


def _of_ecr(host: str) -> str:
    if host == _ECR_PUBLIC:
        get = "aws ecr-public get-login-password --region us-east-1"
    elif _ECR_HOST.search(host):
        get = "aws ecr get-login-password"
    else:
        return ""
    return f"ECR's tokens last 12 hours: {get} | docker login --username AWS --password-stdin {host}"


def way_out(host: str, said: str, secret: str, user: str = "") -> str:
    """What to do about a login that a registry refused with these words; empty where nothing particular is known."""
    words = said.lower()
    if host == GHCR:
        by_token = (step for prefix, step in _GHCR_TOKENS.items() if secret.startswith(prefix))
        return next(by_token, "") or _first(_GHCR_SAYS, words)
    if host == DOCKER_HUB:
        return _first(_HUB_SAYS, words)
    return expired(host, said) or _of_cloud(host, words, user) or _of_others(secret, user)


def _of_cloud(host: str, words: str, user: str) -> str:
    """Logins of clouds are for hours, and what refuses them does not always say so."""
    if user == _OF_AWS and _ECR_RIGHTS not in words:
        return _of_ecr(host)
    if _GOOGLE_HOST.search(host) and "permission" in words:
        return "give the account of the login the role roles/artifactregistry.reader for the repository"
    if user == _OF_GOOGLE:
        get = f"gcloud auth print-access-token | docker login --username {_OF_GOOGLE} --password-stdin https://{host}"
        return f"Google's access tokens last an hour: {get}"
    if user == _OF_AZURE:
        return f"tokens of `az acr login` last three hours: az acr login --name {host.partition('.')[0]}"
    return ""


def _of_others(secret: str, user: str) -> str:
    if user == "robot":
        return _TORN_ROBOT
    by_token = (step for prefix, step in _BY_TOKEN.items() if secret.startswith(prefix))
    return next(by_token, "") or next((step for name, step in _BY_USER.items() if user.startswith(name)), "")


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Who asks whom: `mirror` is the server of a mirror that answers for the host, `no_login` why there is no login.

    `token_server` is whether that is asked, and not the registry itself.
    """

    host: str
    mirror: str = ""
    login: Credentials | None = None
    no_login: str = ""
    token_server: bool = False


def step_after(response: httpx.Response, error: RegistryError, asking: Asking) -> str:
    """The next step of an error for this response: where it is about a login, with the one that was used."""
    step, login = error.next_step, asking.login
    if error.status in (401, 403, 404) and asking.no_login:
        return f"it was asked for without a login, since {asking.no_login}; {step}"
    if error.status not in (401, 403):
        return step
    if barred := by_a_firewall(error.message):
        return barred
    led = bool(response.history) and response.url.netloc != response.history[0].url.netloc
    if led and not asking.token_server and not is_page(response):
        return at_another_server(response.url.netloc.decode(), asking.host if asking.mirror else "")
    form = asking.token_server and response.request.method == "POST"
    if login is None or not (form or "authorization" in response.request.headers):
        return _unsent(response, error, asking)
    secret = login.password.get_secret_value()
    known = "" if is_page(response) else way_out(asking.mirror or asking.host, error.message, secret, login.username)
    if known and asking.mirror:
        known = f'{known}; and have [mirrors."{asking.host}"] in harness.toml name what that gives'
    return f"it was asked for as {login}; {known or step}"


def _unsent(response: httpx.Response, error: RegistryError, asking: Asking) -> str:
    """The same where no login was sent: there is none, or nobody asked for it."""
    step, login = error.next_step, asking.login
    asked = challenges(response)
    if is_page(response) or asking.token_server:
        return step
    if over := expired(asking.host, error.message):
        # The registry knows best: a cache or a proxy in front of it may have a login of its own.
        return over
    if error.status == HTTPStatus.UNAUTHORIZED and not asked:
        # A node finds no way to log in either (containerd, core/remotes/docker/authorizer.go).
        unsent = f", so that the one of {login} was not sent" if login else ""
        ask = pull_messages.next_step(pull_messages.REGISTRY_ANSWER, asking.host)
        return f"it does not say how to log in, having no WWW-Authenticate{unsent}; {ask}"
    if error.status == HTTPStatus.UNAUTHORIZED and not asked.keys() & _SCHEMES:
        wanted = " or ".join(it.upper() if it == "ntlm" else it.capitalize() for it in asked)
        return (
            f"it wants {wanted} as the way to log in, which nodes do not know: they know Basic and Bearer; "
            f"{pull_messages.next_step(pull_messages.REGISTRY_ANSWER, asking.host)}"
        )
    if login is None:
        return step
    if error.status == HTTPStatus.UNAUTHORIZED and not login.has_password and "bearer" not in asked:
        return (
            f"the login of {login} is an identity token, which a registry without a token server cannot take: "
            f"docker login {asking.host} with a user and a password or token"
        )
    return f"nobody asked for a login, and that of {login} was not sent; {step}"


def _first(steps: dict[str, str], words: str) -> str:
    return next((step for part, step in steps.items() if part in words), "")
