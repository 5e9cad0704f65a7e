# SPDX-License-Identifier: Apache-2.0
"""The admission webhook: its configurations, the certificate that it serves, and what it does to applications."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.errors import ApiError, WaitTimeout
from harness.kube import others
from harness.kube.api import API_SECONDS, listed
from harness.late import client, streams, x509
from harness.matrix.facts import SUSPEND
from harness.matrix.release import Release
from harness.releases.admission_samples import sample
from harness.waiting import until

_NOT_ABOUT_IT = (0, 401, 404, 429, 503)

_GROUP, _VERSION, _PLURAL = "sparkoperator.k8s.io", "v1beta2", "sparkapplications"


@dataclass(frozen=True, kw_only=True)
class WebhookEntry:
    """One entry of a mutating or validating configuration. `ca_bundle` is PEM, empty when none is set."""

    configuration: str
    name: str
    service: str
    namespace: str
    ca_bundle: bytes

    @property
    def server_name(self) -> str:
        """The name that the API server expects in the certificate."""
        return f"{self.service}.{self.namespace}.svc"


@dataclass(frozen=True, kw_only=True)
class Handshake:
    """What a pod answered to a TLS client. `certificate` is DER; without one, `error` says why."""

    pod: str
    server_name: str
    certificate: bytes = b""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A dry-run create of a SparkApplication. `status` is the HTTP status of a refusal, 0 when it was accepted.

    `seconds` is how long the API server took for its answer.
    """

    status: int
    message: str
    result: Mapping[str, Any]
    seconds: float = 0.0

    @property
    def accepted(self) -> bool:
        """Whether the API server would have stored the application."""
        return self.status == 0

    @property
    def webhook_away(self) -> bool:
        """Whether the API server could not ask the operator's webhook at all."""
        return self.status >= 500 and not_asked(self.message) and not others.word(self.message)


def dry_run(api: client.ApiClient, app: Mapping[str, Any], *, timeout: float = API_SECONDS) -> Attempt:
    """Ask the API server to create an application without keeping it.

    Raises ApiError when there is no answer, or one that is not about the application: 401, 404, 429, and what the API
    server itself did not get done (`etcdserver: request timed out`), which names no webhook.
    """
    began = time.monotonic()
    try:
        result: Any = client.CustomObjectsApi(api).create_namespaced_custom_object(
            _GROUP,
            _VERSION,
            app["metadata"]["namespace"],
            _PLURAL,
            dict(app),
            dry_run="All",
            _request_timeout=timeout,
        )
    except ApiError as refused:
        if refused.status in _NOT_ABOUT_IT or (refused.status >= 500 and not _names_webhook(refused.said)):
            raise
        return Attempt(status=refused.status, message=refused.said, result={}, seconds=time.monotonic() - began)
    return Attempt(status=0, message="", result=dict(result), seconds=time.monotonic() - began)


def answered(attempt: Callable[[], Attempt], *, seconds: float) -> Attempt:
    """Try until the webhook itself answers, for so many seconds; if it never does, what the API server said last.

    Raises what `attempt` raises.
    """
    attempts: list[Attempt] = []

    def called() -> bool:
        attempts.append(attempt())
        return not attempts[-1].webhook_away

    try:
        until(called, what="the webhook to be called", timeout=seconds)
    except WaitTimeout:
        if not attempts:
            raise
    return attempts[-1]


@contextmanager
def canary(api: client.ApiClient, namespace: str, release: Release, *, suffix: str) -> Iterator[str]:
    """A suspended application that exists during the block, so that the controller has counted one. It never runs.

    `suffix` ends its name. Yields why there is none, or an empty text. A release that cannot suspend would run it.
    """
    if not release.has(SUSPEND):
        yield f"no canary application was created: release {release.version} cannot suspend one"
        return
    app = sample(namespace, f"harness-canary-{suffix}")
    app["spec"]["suspend"] = True
    custom = client.CustomObjectsApi(api)
    where = (_GROUP, _VERSION, namespace, _PLURAL)
    try:
        custom.create_namespaced_custom_object(*where, app)
    except ApiError as refused:
        yield f"no canary application could be created: {refused.said}"
        return
    try:
        yield ""
    finally:
        custom.delete_namespaced_custom_object(*where, app["metadata"]["name"])


def entries(api: client.ApiClient, names: frozenset[str]) -> tuple[WebhookEntry, ...]:
    """The entries of the mutating and validating configurations of these names."""
    admission = client.AdmissionregistrationV1Api(api)
    found: list[WebhookEntry] = []
    for kind, call in (
        ("mutating", admission.list_mutating_webhook_configuration),
        ("validating", admission.list_validating_webhook_configuration),
    ):
        for configuration in listed(call):
            name = configuration["metadata"]["name"]
            if name in names:
                found += [_entry(f"{kind} {name}", entry) for entry in configuration.get("webhooks", [])]
    return tuple(found)


def _entry(configuration: str, entry: Mapping[str, Any]) -> WebhookEntry:
    service = entry["clientConfig"].get("service", {})
    return WebhookEntry(
        configuration=configuration,
        name=entry["name"],
        service=service.get("name", ""),
        namespace=service.get("namespace", ""),
        ca_bundle=base64.b64decode(entry["clientConfig"].get("caBundle", "")),
    )


def handshake(
    api: client.ApiClient, namespace: str, pod: str, port: int, server_name: str, *, timeout: float = API_SECONDS
) -> Handshake:
    """Shake hands with a pod's TLS port as the API server would, through a port-forward.

    `api` must belong to this call alone: the client's port-forward replaces a method of it for a moment. The
    certificate is only fetched here; `problems` judges it. Raises ApiError when the pod cannot be reached through
    the API server.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    forward = streams.portforward(
        client.CoreV1Api(api).connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port)
    )
    raw = forward.socket(port)
    try:
        raw.settimeout(timeout)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.sendall(outgoing.read())
                data = raw.recv(65536)
                if not data:
                    reason = forward.error(port) or "the connection was closed"
                    return Handshake(pod=pod, server_name=server_name, error=f"port {port}: {reason}")
                incoming.write(data)
        certificate = tls.getpeercert(binary_form=True) or b""
    except (ssl.SSLError, TimeoutError) as failed:
        return Handshake(pod=pod, server_name=server_name, error=f"port {port}: {failed}")
    finally:
        raw.close()
    return Handshake(pod=pod, server_name=server_name, certificate=certificate)


def problems(certificate: bytes, ca_bundle: bytes, server_name: str) -> list[str]:
    """What is wrong with a served certificate (DER) in the eyes of an API server that trusts `ca_bundle` (PEM).

    Leaf and CA of the operator share a subject, which misleads path builders (`openssl verify` among them); the
    signature itself is verified here.
    """
    leaf = x509.load_der_x509_certificate(certificate)
    try:
        authorities = x509.load_pem_x509_certificates(ca_bundle)
    except ValueError:
        return ["the CA bundle is not a PEM certificate"]
    found = []
    if not any(_signed(leaf, authority) for authority in authorities):
        found.append(f"not signed by the CA bundle (issuer {leaf.issuer.rfc4514_string()})")
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        dns = []
    if server_name not in dns:
        found.append(f"no SAN {server_name} (it has {', '.join(dns) or 'none'})")
    return found


def validity(certificate: bytes) -> tuple[str, str]:
    """From when until when a certificate (DER) holds, as ISO 8601 in UTC."""
    leaf = x509.load_der_x509_certificate(certificate)
    return leaf.not_valid_before_utc.isoformat(), leaf.not_valid_after_utc.isoformat()


def same_certificates(one: bytes, other: bytes) -> bool:
    """Whether two PEM bundles hold the same certificates, whatever their line breaks."""
    try:
        first, second = (x509.load_pem_x509_certificates(bundle) for bundle in (one, other))
    except ValueError:
        return False
    return set(first) == set(second)


def _signed(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names_webhook(message: str) -> bool:
    """Whether it is a webhook that an answer with a status of 500 or more is about: one that was not reached, or whose
    denial has such a status. The words are those of `not_asked`, and of ToStatusErr beside it.
    """
    return not_asked(message) or "admission webhook" in message


def not_asked(message: str) -> bool:
    """Whether an answer of the API server says that it could not ask a webhook at all.

    The words are those of k8s.io/apiserver, pkg/admission/plugin/webhook.
    """
    return "failed calling webhook" in message
