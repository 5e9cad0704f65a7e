# SPDX-License-Identifier: Apache-2.0
"""From a kubeconfig to the configuration of a client: as the Kubernetes library does it, but for logins that change,
which are those of plugins and of token files.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

from harness import named_files
from harness.errors import UsageError
from harness.kube import exec_login
from harness.late import client, config, kube_config

_AGAIN = "login_again"
# client-go, transport/token_source.go: kubelets write a token of a service account anew within its hour.
_FILE_HOLDS = timedelta(minutes=1)


@cache
def _loader_class() -> Any:
    """The library's loader. A function, since the library is loaded late.

    The library runs a plugin for each client and waits for it without end, and only logs what went wrong. It takes the
    newline of an editor for a part of the token in a file, the file only where there is no `token`, and both for good.
    """

    class Loader(kube_config.KubeConfigLoader):
        given: exec_login.Login | None = None

        def _load_from_exec_plugin(self) -> bool:
            if not self._user or "exec" not in self._user:
                return False
            self._take(self._ask(None))
            return True

        def _load_user_token(self) -> bool:
            file = cast("Any", self._user).safe_get("tokenFile")
            if not file:
                return bool(super()._load_user_token())  # type: ignore[no-untyped-call]
            try:
                found = _token_in(self._folder(self._user) / str(file), self._context())
            except UsageError:
                # One that was there a minute ago may still do.
                if "token" not in self.__dict__:
                    raise
            else:
                self.token = f"Bearer {found}"
            self.expiry = datetime.now(UTC) + kube_config.EXPIRY_SKEW_PREVENTION_DELAY + _FILE_HOLDS
            return True

        def again(self, configuration: client.Configuration) -> bool:
            """Take another login than the one that was refused; whether there is one."""
            if not self._another():
                return False
            self._set_config(configuration)  # type: ignore[no-untyped-call]
            return True

        def _another(self) -> bool:
            if self.given is not None:
                found = self._ask(self.given)
                if found == self.given:
                    return False
                self._take(found)
                return True
            refused = self.__dict__.get("token")
            if not self._user or not cast("Any", self._user).safe_get("tokenFile"):
                return False
            self._load_user_token()
            return bool(self.token != refused)

        def _context(self) -> str:
            return str(cast("Any", self._current_context)["name"])

        def _ask(self, refused: exec_login.Login | None) -> exec_login.Login:
            user, cluster = cast("Any", self._user), cast("Any", self._cluster)
            told = dict(cluster.value)
            if authority := told.get("certificate-authority"):
                told["certificate-authority"] = str(self._folder(cluster) / str(authority))
            folder = self._folder(user)
            return exec_login.login(user["exec"].value, told, context=self._context(), folder=folder, refused=refused)

        def _folder(self, node: Any) -> Path:
            """Where the file is that an entry is from: of several kubeconfigs, each may have a part of a context."""
            return Path(self._get_base_path(node.path))  # type: ignore[no-untyped-call]

        def _take(self, found: exec_login.Login) -> None:
            self.given = found
            if found.token:
                self.token = f"Bearer {found.token}"
            if found.certificate:
                self.cert_file, self.key_file = (self._file(it) for it in (found.certificate, found.key))
            # From five minutes before (EXPIRY_SKEW_PREVENTION_DELAY), the library asks again for each request.
            self.__dict__.pop("expiry", None)
            if found.until:
                self.expiry = found.until

        def _file(self, pem: str) -> str:
            made = kube_config.FileOrData(  # type: ignore[no-untyped-call]
                {"data": pem}, None, "data", base64_file_content=False, temp_file_path=self._temp_file_path
            )
            return str(made.as_file())  # type: ignore[no-untyped-call]

    return Loader


def _token_in(file: Path, context: str) -> str:
    """The token in a file, trimmed as kubectl does it. Raises UsageError where there is none."""
    try:
        token = named_files.text(file).strip()
    except (OSError, UnicodeDecodeError) as unreadable:
        raise UsageError(
            f"the token file of context {context} cannot be read: {unreadable}", f"kubectl --context {context} version"
        ) from unreadable
    if not token:
        raise UsageError(f"the token file of context {context} is empty: {file}", "log in again as you do for kubectl")
    return token


def from_file(configuration: client.Configuration, file: Path | None, context: str | None) -> None:
    """Configure a client by a kubeconfig (None: where kubectl looks) and a context of it (None: the current one).

    Raises ConfigException for a kubeconfig that cannot be used, and UsageError for a login plugin that gives no login
    and for a token file that has none.
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
    # A function, so that copies of the configuration are none of the loader.
    setattr(configuration, _AGAIN, lambda asking: made.again(asking))


def login_again(configuration: client.Configuration) -> bool:
    """Have a client log in anew, since the API server does not take its login any more: tokens are withdrawn, and some
    do not say until when they hold. Whether its plugin or its token file gave another login; False with neither.

    Raises ApiServerAway for a plugin that gives none.
    """
    again = getattr(configuration, _AGAIN, None)
    return bool(again and again(configuration))
