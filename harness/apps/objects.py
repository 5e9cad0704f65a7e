# SPDX-License-Identifier: Apache-2.0
"""The objects of one namespace, through the API: create, look, change, delete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from harness.apps.pods import LABEL_LAUNCHED, SparkPod, observe
from harness.apps.samples import Manifest
from harness.errors import ApiError, HarnessError
from harness.kube import reading
from harness.kube.api import listed
from harness.kube.models import Event
from harness.late import client
from harness.releases import webhook
from harness.waiting import retry

GROUP = "sparkoperator.k8s.io"


class Refused(HarnessError):
    """The API server, or a webhook of the operator, refused an object that a user may create."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A custom resource of the operator: where the API keeps it."""

    kind: str
    version: str
    plural: str


APPLICATION = Resource(kind="SparkApplication", version="v1beta2", plural="sparkapplications")
SCHEDULED = Resource(kind="ScheduledSparkApplication", version="v1beta2", plural="scheduledsparkapplications")
CONNECT = Resource(kind="SparkConnect", version="v1alpha1", plural="sparkconnects")
RESOURCES = (SCHEDULED, APPLICATION, CONNECT)
"""In the order in which they are deleted: a schedule first, lest it makes new applications."""


class Objects:
    """One namespace. Every method raises ApiError."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        # The client's stubs know neither manifests as dictionaries nor what a custom resource's answer is.
        self.core: Any = client.CoreV1Api(api)
        self.custom: Any = client.CustomObjectsApi(api)

    def create(self, manifests: Iterable[Manifest]) -> list[Mapping[str, Any]]:
        """Create objects in their order and return the custom resources as the API answered. Raises Refused."""
        # Of 429, which no POST is tried again after by itself, an API server says when to come again: within seconds.
        made = (retry(partial(self._create, it), on=(ApiError,), when=_was_busy, attempts=4) for it in manifests)
        return [it for it in made if it]

    def get(self, resource: Resource, name: str) -> Mapping[str, Any] | None:
        """A custom resource, or None when it is not there."""
        try:
            found: Mapping[str, Any] = self.custom.get_namespaced_custom_object(
                GROUP, resource.version, self.namespace, resource.plural, name
            )
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    def all(self, resource: Resource) -> list[Mapping[str, Any]]:
        """All custom resources of one kind; none when the cluster does not know the kind."""
        try:
            answer = self.custom.list_namespaced_custom_object(GROUP, resource.version, self.namespace, resource.plural)
        except ApiError as error:
            if error.status == 404:
                return []
            raise
        return list(answer["items"])

    def patch(self, resource: Resource, name: str, change: Mapping[str, Any]) -> None:
        """Merge a change into a custom resource, as `kubectl patch --type merge` does."""
        self.custom.patch_namespaced_custom_object(
            GROUP, resource.version, self.namespace, resource.plural, name, dict(change)
        )

    def delete(self, resource: Resource, name: str) -> None:
        """Ask for a custom resource's deletion; one that is gone already is no error."""
        try:
            self.custom.delete_namespaced_custom_object(GROUP, resource.version, self.namespace, resource.plural, name)
        except ApiError as error:
            if error.status != 404:
                raise

    def spark_pods(self) -> list[SparkPod]:
        """The pods that the operator, or spark-submit on its behalf, launched."""
        items = listed(self.core.list_namespaced_pod, self.namespace, label_selector=f"{LABEL_LAUNCHED}=true")
        return [observe(item) for item in items]

    def events(self) -> list[Event]:
        """All events of the namespace that the API still has, oldest first."""
        return reading.events(listed(self.core.list_namespaced_event, self.namespace))

    def server_time(self) -> datetime:
        """The API server's clock, to the second, from the Date of its answers."""
        _, _, headers = client.VersionApi(self.core.api_client).get_code_with_http_info()
        return parsedate_to_datetime(headers["Date"])

    def watched(self, resource: Resource) -> tuple[Callable[..., Any], dict[str, Any]]:
        """The list call of a custom resource and its arguments, for harness.kube.watching.watch_until."""
        return self.custom.list_namespaced_custom_object, {
            "group": GROUP,
            "version": resource.version,
            "namespace": self.namespace,
            "plural": resource.plural,
        }

    def _create(self, manifest: Manifest) -> Mapping[str, Any] | None:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        try:
            resource = next((known for known in RESOURCES if known.kind == kind), None)
            if resource is not None:
                # Strict, since a field that the CRD does not know would be dropped without a word.
                made: Mapping[str, Any] = self.custom.create_namespaced_custom_object(
                    GROUP, resource.version, self.namespace, resource.plural, manifest, field_validation="Strict"
                )
                return made
            {
                "ConfigMap": self.core.create_namespaced_config_map,
                "Secret": self.core.create_namespaced_secret,
                "Pod": self.core.create_namespaced_pod,
            }[kind](self.namespace, manifest)
        except ApiError as error:
            # A webhook that denies answers 400 or 403; one that cannot be reached makes the API server answer 500.
            if error.status in (400, 403, 404, 422) or webhook.not_asked(str(error.body)):
                raise Refused(
                    f"creating {kind} {self.namespace}/{name} was refused with {error.status}: {error.said}",
                    "create it by hand with kubectl to see the same answer",
                ) from error
            raise
        return None


def _was_busy(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.status == HTTPStatus.TOO_MANY_REQUESTS
