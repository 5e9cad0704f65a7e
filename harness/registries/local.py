# SPDX-License-Identifier: Apache-2.0
"""The harness's own registries: a distribution server as a host process, and read-only containers, one per host."""

from __future__ import annotations

import functools
import hashlib
import logging
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness import causes, process
from harness.errors import CommandError, EngineError, HarnessError, HostError, ToolError, UnavailableError
from harness.evidence.installation import image_labels, label_instructions, label_words, mark
from harness.evidence.ledger import NAME_PREFIX, short_run_id
from harness.images.mirrors import Mirror, MirrorMap
from harness.images.references import ImageReference
from harness.late import httpx
from harness.providers.containers import UNCONFINED
from harness.waiting import until

log = logging.getLogger(__name__)

LABEL_TOOL = "spark-operator-harness.tool"
"""Docker label of images that hold one of the harness's own tools; they outlive a run."""

BLOBS = "docker/registry/v2/blobs"
"""Where a storage has its content (registry/storage/paths.go of distribution)."""

_READY_SECONDS = 30.0
_ENGINE_SECONDS = 60.0
_PORT = 5000
# unix(7): sun_path has 108 bytes, the last of which is zero.
_LONGEST_SOCKET = 107
ENVIRONMENT, NOT_ITS = {"OTEL_TRACES_EXPORTER": "none"}, "REGISTRY_"
"""distribution v3 exports traces to localhost:4318 unless told otherwise (docs/content/about/configuration.md), and
takes variables that begin so for its configuration: podman's REGISTRY_AUTH_FILE stops it (configuration/parser.go)."""
_LISTENING = re.compile(r"listening on (\S+?)(, tls)?[\" ]")


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running registry server at `url`; its log, including the access log, goes to `log_file`.

    With a `socket`, it answers there alone.
    """

    url: str
    storage: Path
    log_file: Path
    socket: Path | None = None

    @property
    def address(self) -> str:
        """Host and port, for image references: `127.0.0.1:5000`."""
        return self.url.split("://", 1)[1]


@dataclass(frozen=True, kw_only=True)
class Security:
    """What a server requires of its clients: TLS with `certificate` and `key`, passwords of `htpasswd` (bcrypt)."""

    certificate: Path | None = None
    key: Path | None = None
    htpasswd: Path | None = None


_OPEN = Security()


def write_config(
    file: Path,
    *,
    storage: Path | str,
    address: str,
    readonly: bool = False,
    security: Security = _OPEN,
    cache_of: str = "",
) -> Path:
    """Write the configuration of a distribution v3 server and return its path.

    `address` is `host:port`, where port 0 picks a free one, or the path of a Unix socket. `storage` is the folder from
    the server's point of view. With `cache_of`, the address of another registry, it is a pull-through cache of that.
    """
    http: dict[str, object] = {"addr": address, **({"net": "unix"} if address.startswith("/") else {})}
    if security.certificate and security.key:
        http["tls"] = {"certificate": str(security.certificate), "key": str(security.key)}
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info", "formatter": "text", "accesslog": {"disabled": False}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "delete": {"enabled": not readonly},
            "maintenance": {"readonly": {"enabled": readonly}, "uploadpurging": {"enabled": False}},
        },
        "http": http,
    }
    if cache_of:
        config["proxy"] = {"remoteurl": cache_of}
    if security.htpasswd:
        config["auth"] = {"htpasswd": {"realm": "registry", "path": str(security.htpasswd)}}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    return file


@contextmanager
def serve(
    binary: Path,
    storage: Path,
    log_file: Path,
    *,
    readonly: bool = False,
    port: int = 0,
    security: Security = _OPEN,
    address: str = "127.0.0.1",
    cache_of: str = "",
    ca: Path | None = None,
    private: bool = False,
) -> Iterator[Server]:
    """Run a registry server on 127.0.0.1, or another `address` of this machine, for as long as the block lasts.

    `port` 0 picks a free one; `storage` is created if missing, unless `readonly`. The log is appended to.
    With `private`, it listens on no address, but on a Unix socket that only this user can reach. `cache_of` makes it a
    pull-through cache of another registry, `ca` is then the CA that it trusts. Raises ToolError when the binary is
    missing, UnavailableError when a read-only storage is, HostError when the port is taken or the server ends before
    it answers.
    """
    _require_binary(binary)
    if readonly:
        _require_storage(storage)
    storage.mkdir(parents=True, exist_ok=True)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    start = log_file.stat().st_size if log_file.exists() else 0
    with tempfile.TemporaryDirectory(prefix="soh-registry-") as scratch:
        socket = _socket(Path(scratch)) if private else None
        config = write_config(
            Path(scratch) / "config.yml",
            storage=storage.resolve(),
            address=str(socket or f"{address}:{port}"),
            readonly=readonly,
            security=security,
            cache_of=cache_of,
        )
        env = {**ENVIRONMENT, **({"SSL_CERT_FILE": str(ca)} if ca else {})}
        with process.background([binary, "serve", config], log_file=log_file, env=env, without=NOT_ITS) as child:

            def look() -> str:
                # In this order: a server that has ended has written all that it had to say.
                ended = child.poll() is not None
                said = log_file.read_bytes()[start:].decode(errors="replace")
                if ended:
                    raise _server_ended(f"{address}:{port}", said, log_file)
                found = _LISTENING.search(said)
                scheme = "https" if found and found[2] else "http"
                return f"{scheme}://{'storage' if socket else found[1]}" if found else ""

            url = until(look, what=f"the registry server of {storage} to listen", timeout=_READY_SECONDS, interval=0.05)
            # 127.0.0.1 also with TLS: whether the certificate is valid is the clients' question, not ours.
            _wait_for_api(url, f"the registry server of {storage} at {socket or url}", f"see {log_file}", socket)
            yield Server(url=url, storage=storage, log_file=log_file, socket=socket)


class NodeRegistries:
    """Read-only registry containers that answer for `docker.io`, `ghcr.io`, … on a run's network.

    `binary` is a static registry server; `storage` has one folder per registry host. `announce` is called with each
    container's name before it is created, for the ledger. Tags in `hidden` are not served. `blobs` is a folder with
    content that the storages share, which have it mounted at BLOBS.
    """

    def __init__(
        self,
        *,
        binary: Path,
        storage: Path,
        docker: str | Path = "docker",
        announce: Callable[[str], None] | None = None,
        hidden: Iterable[ImageReference] = (),
        blobs: Path | None = None,
    ) -> None:
        self._blobs = blobs
        self.binary = binary
        self.storage = storage
        self._docker = docker
        self._announce = announce
        self._hidden = tuple(hidden)
        self._containers: dict[str, str] = {}

    def prepare(self) -> None:
        """Have the image that they run from, which `start` would otherwise wait for. Raises ToolError, EngineError."""
        _require_binary(self.binary)
        log.debug("registries run from %s", self._image)

    def start(self, run_id: str, network: str, *, hosts: Sequence[str] | None = None) -> MirrorMap:
        """Start a registry for each host (default: for all that have a storage) and wait until all answer.

        `url` of each mirror is for containers on `network`, `host_url` for this machine. Raises ToolError when the
        binary is missing, UnavailableError when a host has no storage, EngineError when Docker refuses; then nothing
        is left.
        """
        _require_binary(self.binary)
        wanted = list(hosts) if hosts is not None else stored_hosts(self.storage)
        if not wanted:
            needed = " of any registry that is needed" if stored_hosts(self.storage) else ""
            raise UnavailableError(f"no images{needed} are stored below {self.storage}", "run `nox -s bootstrap`")
        for host in wanted:
            _require_storage(self.storage / host)
        image = self._image
        for host in wanted:
            if self._announce:
                self._announce(container_name(run_id, host))
        try:
            with ThreadPoolExecutor(len(wanted)) as pool:
                started = pool.map(lambda host: self._run(host, run_id=run_id, network=network, image=image), wanted)
                return MirrorMap(mirrors=dict(zip(wanted, started, strict=True)))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove the containers; those that no longer exist are not an error."""
        names, self._containers = list(self._containers.values()), {}
        if not names:
            return
        removed = self._call("rm", "--force", "--volumes", *names, check=False)
        problems = [line for line in removed.stderr.splitlines() if "No such container" not in line]
        if removed.returncode != 0 and problems:
            raise EngineError(f"registry containers could not be removed: {'; '.join(problems)}", "nox -s clean")

    def access_log(self, host: str) -> str:
        """The access log of a host's registry, in the combined log format."""
        name = self._containers.get(host)
        if name is None:
            return f"no registry was started for {host}\n"
        # The server writes its access log to stdout and everything else to stderr (registry/registry.go).
        return self._call("logs", name).stdout

    def _run(self, host: str, *, run_id: str, network: str, image: str) -> Mirror:
        name = container_name(run_id, host)
        self._call(
            "create", "--name", name, "--hostname", name, "--network", network, *UNCONFINED,
            *label_words(run_id), "--publish", f"127.0.0.1::{_PORT}",
            "--mount", f"type=bind,source={(self.storage / host).resolve()},target=/var/lib/registry,readonly",
            *self._covers(host),
            *self._shared(),
            image,
        )  # fmt: skip
        # Ours only from here on: a name that is taken belongs to someone else, and stop() must leave that alone.
        self._containers[host] = name
        self._call("start", name)
        published = self._call("port", name, f"{_PORT}/tcp", check=False).stdout.split()
        if not published:
            log = self._call("logs", name, check=False)
            raise EngineError(
                f"the registry for {host} exited immediately: {causes.told(log.stderr or log.stdout)}",
                f"check the storage: ls {self.storage / host}",
            )
        host_url = f"http://{published[0]}"
        _wait_for_api(host_url, f"the registry for {host} at {host_url}", f"docker logs {name}")
        return Mirror(url=f"http://{name}:{_PORT}", host_url=host_url)

    def _covers(self, host: str) -> Iterator[str]:
        """Mounts that put an empty folder over hidden tags; the storage is shared with other runs."""
        for it in self._hidden:
            tag = f"docker/registry/v2/repositories/{it.repository}/_manifests/tags/{it.tag}"
            if it.registry == host and (self.storage / host / tag).is_dir():
                yield from ("--mount", f"type=tmpfs,target=/var/lib/registry/{tag}")

    def _shared(self) -> Iterator[str]:
        if self._blobs is not None:
            source = self._blobs.resolve()
            yield from ("--mount", f"type=bind,source={source},target=/var/lib/registry/{BLOBS},readonly")

    @functools.cached_property
    def _image(self) -> str:
        """The image with the server; built once per binary and cache, and shared by all runs."""
        with tempfile.TemporaryDirectory(prefix="soh-registry-") as scratch:
            config = write_config(
                Path(scratch) / "config.yml", storage="/var/lib/registry", address=f":{_PORT}", readonly=True
            )
            with self.binary.open("rb") as program:
                hashed = hashlib.file_digest(program, "sha256")
            hashed.update(config.read_bytes())
            hashed.update(mark().encode())
            image = f"spark-operator-harness/registry:{hashed.hexdigest()[:12]}"
            if self._call("image", "inspect", image, check=False).returncode == 0:
                return image
            tarball = Path(scratch) / "image.tar"
            with tarfile.open(tarball, "w") as archive:
                archive.add(self.binary, "registry", filter=_executable)
                archive.add(config, "config.yml", filter=_plain)
            changes = [
                'ENTRYPOINT ["/registry"]',
                'CMD ["serve", "/config.yml"]',
                f"EXPOSE {_PORT}",
                *(f"ENV {key}={value}" for key, value in ENVIRONMENT.items()),
                f"LABEL {LABEL_TOOL}=registry",
                *label_instructions(image_labels()),
            ]
            options = [word for change in changes for word in ("--change", change)]
            self._call("import", *options, str(tarball), image)
            return image

    def _call(self, *words: str, check: bool = True) -> process.Completed:
        try:
            return process.call([self._docker, *words], timeout=_ENGINE_SECONDS, check=check)
        except CommandError as error:
            raise EngineError(f"a registry container could not be managed: {error.message}", _hint(error)) from error


def stored_hosts(storage: Path) -> list[str]:
    """The registry hosts that have images below `storage`, sorted."""
    return sorted(path.name for path in storage.iterdir() if (path / "docker").is_dir()) if storage.is_dir() else []


def container_name(run_id: str, host: str) -> str:
    """`soh-<run id without its date>-registry-<host>`, a valid DNS label: nodes reach the registry by it."""
    label = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")
    return f"{NAME_PREFIX}{short_run_id(run_id)}-registry-{label}"[:63].rstrip("-")


def _socket(folder: Path) -> Path:
    """A path for a Unix socket in a folder that only this user can enter. Raises HostError for one that is too long."""
    socket = folder / "s"
    if len(str(socket)) > _LONGEST_SOCKET:
        raise HostError(
            f"the temporary folder {folder} is too long for the path of a Unix socket", "set TMPDIR to a shorter one"
        )
    return socket


def _wait_for_api(url: str, what: str, next_step: str, socket: Path | None = None) -> None:
    # A proxy of the environment has no say about addresses of this machine.
    transport = httpx.HTTPTransport(uds=str(socket), verify=False) if socket else None
    with httpx.Client(trust_env=False, verify=False, timeout=5.0, transport=transport) as client:
        until(
            lambda: client.get(f"{url}/v2/").status_code,
            lambda status: status in (200, 401),
            what=f"{what} to answer",
            timeout=_READY_SECONDS,
            interval=0.05,
            ignore=(httpx.TransportError,),
            next_step=next_step,
        )


def _server_ended(address: str, said: str, log_file: Path) -> HarnessError:
    if "address already in use" in said:
        port = address.rpartition(":")[2]
        return HostError(
            f"the registry server could not listen on {address}: the port is in use",
            f"find out which program uses it: ss -ltnp 'sport = :{port}', or use port 0",
        )
    return HostError(
        f"the registry server exited before it answered: {causes.told(said, '(no output)')}", f"see {log_file}"
    )


def _require_binary(binary: Path) -> None:
    if not binary.is_file():
        raise ToolError(f"the registry server {binary} does not exist", "run `nox -s bootstrap`")


def _require_storage(folder: Path) -> None:
    if not folder.is_dir():
        raise UnavailableError(
            f"no images are stored for {folder.name}: {folder} does not exist", "run `nox -s bootstrap`"
        )


def _hint(error: CommandError) -> str:
    said = f"{error.message}\n{error.stderr}".lower()
    if "permission denied" in said:
        return "add yourself to the docker group, or run as root"
    if "cannot connect" in said:
        return "run `nox -s bootstrap`, which starts the engine"
    if "already in use" in said:
        return "remove what an earlier run left: nox -s clean"
    if "network" in said and "not found" in said:
        return "create the network before the registries"
    return error.next_step or "run `harness doctor`"


def _executable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode, member.uid, member.gid, member.mtime = 0o755, 0, 0, 0
    return member


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode, member.uid, member.gid, member.mtime = 0o644, 0, 0, 0
    return member
