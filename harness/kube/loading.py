# SPDX-License-Identifier: Apache-2.0
"""From a kubeconfig to the configuration of a client: as the Kubernetes library does it, but for login plugins."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

from harness.kube import exec_login
from harness.late import client, config, kube_config


@cache
def _loader_class() -> Any:
    """The library's loader. A function, since the library is loaded late.

    The library runs a plugin for each client and waits for it without end, and only logs what went wrong.
    """

    class Loader(kube_config.KubeConfigLoader):
        def _load_from_exec_plugin(self) -> bool:
            if not self._user or "exec" not in self._user:
                return False
            base = self._get_base_path(cast("Any", self._cluster).path)  # type: ignore[no-untyped-call]
            cluster, chosen = cast("Any", self._cluster), cast("Any", self._current_context)
            found = exec_login.login(
                self._user["exec"].value,
                cluster.value,
                context=str(chosen["name"]),
                folder=Path(base) if base else None,
            )
            if found.token:
                self.token = f"Bearer {found.token}"
            if found.certificate:
                self.cert_file, self.key_file = (self._file(it) for it in (found.certificate, found.key))
            # From five minutes before, the library asks again for each request.
            self.__dict__.pop("expiry", None)
            if found.until:
                self.expiry = found.until
            return True

        def _file(self, pem: str) -> str:
            made = kube_config.FileOrData(  # type: ignore[no-untyped-call]
                {"data": pem}, None, "data", base64_file_content=False, temp_file_path=self._temp_file_path
            )
            return str(made.as_file())  # type: ignore[no-untyped-call]

    return Loader


def from_file(configuration: client.Configuration, file: Path | None, context: str | None) -> None:
    """Configure a client by a kubeconfig (None: where kubectl looks) and a context of it (None: the current one).

    Raises ConfigException for a kubeconfig that cannot be used, and UsageError for a login plugin that gives no login.
    """
    path = str(file) if file else kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    merged = kube_config.KubeConfigMerger(path)  # type: ignore[no-untyped-call]
    if merged.config is None:
        raise config.ConfigException("Invalid kube-config file. No configuration found.")
    _load(configuration, merged.config, context, config_persister=merged.save_changes)


def from_document(configuration: client.Configuration, document: dict[str, Any], context: str) -> None:
    """The same by a kubeconfig that has been read."""
    _load(configuration, document, context)


def _load(configuration: client.Configuration, document: Any, context: str | None, **more: Any) -> None:
    made = _loader_class()(config_dict=document, config_base_path=None, active_context=context, **more)
    made.load_and_set(configuration)
