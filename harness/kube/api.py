# SPDX-License-Identifier: Apache-2.0
"""The one way to ask an API server: a client with a timeout for each request, and errors of the harness's own tree."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode, urlsplit

from harness.errors import ApiError, ApiServerAway, UsageError
from harness.images.proxy_addresses import with_scheme, without_login
from harness.images.references import is_loopback
from harness.kube import loading
from harness.late import client, urllib3

API_SECONDS = 30.0
"""How long a request may take that does not say otherwise. An API server waits up to ten seconds for each webhook."""


NO_MARKS: Mapping[str, str] = MappingProxyType({})


@cache
def _client_class() -> type[client.ApiClient]:
    """The client of the Kubernetes library, whose errors are ApiError. A function, since the library is loaded late."""

    class ApiClient(client.ApiClient):
        marks: Mapping[str, str] = NO_MARKS

        def call_api(
            self,
            method: str,
            url: str,
            header_params: Any = None,
            body: Any = None,
            post_params: Any = None,
            _request_timeout: Any = None,
        ) -> Any:
            timeout = _request_timeout or API_SECONDS
            if self.marks and method == "POST":
                body = _marked(body, urlsplit(url).path, self.marks)
            with api_errors(f"{method} {urlsplit(url).path}"):
                answer = super().call_api(method, url, header_params, body, post_params, timeout)
                if answer.status != HTTPStatus.UNAUTHORIZED or not self._login_again():
                    return answer
                answer.read()  # type: ignore[no-untyped-call]
                headers = {**(header_params or {}), **self._authorization()}
                return super().call_api(method, url, headers, body, post_params, timeout)

        def _login_again(self) -> bool:
            before = self.configuration.cert_file
            if not loading.login_again(self.configuration):
                return False
            if self.configuration.cert_file != before:
                self.rest_client = type(self.rest_client)(self.configuration)
            return True

        def _authorization(self) -> dict[str, str]:
            found = self.configuration.auth_settings().get("BearerToken")
            return {found["key"]: str(found["value"])} if found else {}

        def _call_with_legacy_options(self, request: Any, *arguments: Any, **more: Any) -> Any:
            # The library's step between each generated method and call_api: it reads the answer and judges its status.
            method, url, *_ = request
            with api_errors(f"{method} {urlsplit(url).path}"):
                return super()._call_with_legacy_options(request, *arguments, **more)

    return ApiClient


def client_for(configuration: client.Configuration) -> client.ApiClient:
    """A client whose requests have API_SECONDS, unless they say otherwise, and whose errors are ApiError.

    The API server of a cluster on this machine is asked directly: the library would ask a proxy of the environment even
    for 127.0.0.1, unlike kubectl and Helm. Without a proxy of its own it would still do so for a port-forward, which
    websocket-client 1.9 sends by the environment alone; an exception from one holds for both. A proxy that a kubeconfig
    names (`proxy-url`) is asked for every address, as kubectl asks it: 127.0.0.1 is then one of the proxy's machine.

    Raises UsageError for a proxy that this client cannot speak to.
    """
    host = urlsplit(configuration.host).hostname or ""
    if configuration.proxy and configuration.proxy not in urllib.request.getproxies().values():
        configuration.no_proxy = None
    else:
        if configuration.proxy:
            configuration.proxy = with_scheme(configuration.proxy)
        if is_loopback(host):
            configuration.no_proxy = ",".join(filter(None, (configuration.no_proxy, host)))
    try:
        return _client_class()(configuration)
    except (ImportError, urllib3.exceptions.HTTPError, ValueError) as unusable:
        if not configuration.proxy:
            raise
        raise UsageError(
            f"the API server {host} cannot be asked through the proxy {without_login(configuration.proxy)}: "
            "write it with http://, https://, socks5:// or socks5h://",
            "it is in proxy-url of the kubeconfig, or in HTTPS_PROXY, from which NO_PROXY can except the API server",
        ) from unusable


def connect(
    kubeconfig: Path | None, context: str | None = None, *, marks: Mapping[str, str] = NO_MARKS
) -> client.ApiClient:
    """A client for one thread, by a kubeconfig (None: where kubectl looks) and a context of it (None: the current one).

    Whatever it creates outside of namespaces, and namespaces themselves, get the labels `marks`. Raises
    ConfigException for a kubeconfig that cannot be used, and UsageError for a login plugin or a token file without one.
    """
    configuration = client.Configuration()
    loading.from_file(configuration, kubeconfig, context)
    made = client_for(configuration)
    made.marks = marks  # type: ignore[attr-defined]
    return made


def _marked(body: Any, path: str, marks: Mapping[str, str]) -> Any:
    """What is to be created, with these labels where it is in no namespace."""
    if not isinstance(body, dict) or "/namespaces/" in path:
        return body
    metadata = body.get("metadata") or {}
    return {**body, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **marks}}}


@contextmanager
def api_errors(what: str = "") -> Iterator[None]:
    """Turn what the library and its transport raise within the block into ApiError and ApiServerAway.

    `what` is the request in words. Needed only where an answer is read bit by bit; the client does it for the rest.
    """
    try:
        yield
    except client.ApiException as refused:
        reason, body = str(refused.reason or ""), str(refused.body or "")
        if not refused.status:
            raise _away(what, reason) from refused
        error = ApiError("", status=int(refused.status), reason=reason, body=body)
        words = "" if error.said == reason else f": {error.said}"
        error.message = f"the API server answered {error.brief}{f' to {what}' if what else ''}{words}"
        raise error from refused
    except urllib3.exceptions.HTTPError as gone:
        # urllib3 wraps what happened into the address and the count of its attempts.
        reason = str(getattr(gone, "reason", None) or gone or type(gone).__name__)
        raise _away(what, reason) from gone


def raw(call: Callable[..., Any], *arguments: Any, **options: Any) -> bytes:
    """What a read or list call answers, as it came: the library's models are dear, and change what looks like JSON."""
    with api_errors(str(getattr(call, "__name__", ""))):
        return bytes(call(*arguments, _preload_content=False, **options).data)


def read(call: Callable[..., Any], *arguments: Any, **options: Any) -> Mapping[str, Any]:
    """The object that a read call answers, as JSON."""
    return dict(json.loads(raw(call, *arguments, **options)))


def listed(call: Callable[..., Any], *arguments: Any, **options: Any) -> list[dict[str, Any]]:
    """The items that a list call answers, as JSON."""
    return list(json.loads(raw(call, *arguments, **options))["items"] or ())


def get(api: client.ApiClient, path: str, *, accept: str = "application/json") -> Mapping[str, Any]:
    """What a path of the API answers, as JSON."""
    asked = api.param_serialize(
        method="GET", resource_path=path, header_params={"Accept": accept}, auth_settings=["BearerToken"]
    )
    with api_errors(f"GET {path}"):
        answer = api.call_api(*asked)
        body = answer.read()  # type: ignore[no-untyped-call]
        if answer.status != 200:
            raise client.ApiException(http_resp=answer)
    return dict(json.loads(body))


NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""What a list is asked for as, of which nothing but metadata matters."""


def pages(
    api: client.ApiClient, path: str, *, accept: str = "application/json", limit: int = 500, **query: str
) -> Iterator[Mapping[str, Any]]:
    """The items of a list, asked for so many at a time.

    A list that takes longer than the API server remembers goes on with what there is now (API concepts, "Retrieving
    large results sets in chunks"): it is then from two moments. Raises ApiError.
    """
    token = ""
    while True:
        asked = urlencode({**query, "limit": limit, **({"continue": token} if token else {})})
        try:
            page = get(api, f"{path}?{asked}", accept=accept)
        except ApiError as refused:
            token = _fresh(refused) if token and refused.status == HTTPStatus.GONE else ""
            if not token:
                raise
            continue
        yield from page.get("items") or ()
        token = str((page.get("metadata") or {}).get("continue") or "")
        if not token:
            return


def _fresh(expired: ApiError) -> str:
    """The token of a 410 with which a list can go on; empty where it has none."""
    try:
        return str(json.loads(expired.body or "{}")["metadata"]["continue"])
    except (ValueError, KeyError, TypeError):
        return ""


def send(
    api: client.ApiClient, method: str, path: str, body: Any = None, *, content_type: str = "application/json"
) -> Mapping[str, Any]:
    """What a path of the API answers to a change, as JSON; `body` is JSON, too. Raises ApiError."""
    headers = {"Accept": "application/json", "Content-Type": content_type}
    asked = api.param_serialize(
        method=method, resource_path=path, header_params=headers, body=body, auth_settings=["BearerToken"]
    )
    with api_errors(f"{method} {path}"):
        answer = api.call_api(*asked)
        text = answer.read()  # type: ignore[no-untyped-call]
        if not 200 <= answer.status < 300:
            raise client.ApiException(http_resp=answer)
    return dict(json.loads(text))


def _away(what: str, reason: str) -> ApiServerAway:
    return ApiServerAway(f"the API server did not answer{f' {what}' if what else ''}: {reason}", reason=reason)
