# SPDX-License-Identifier: Apache-2.0
"""What is said of networks between this machine and a registry: one error each, with the host that did it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from registry_fakes import Answer, answering

from harness.errors import RegistryError
from harness.images.mirrors import Mirror
from harness.images.proxy_addresses import without_login
from harness.images.references import ImageReference
from harness.registries.by_proxy import proxy_for
from harness.registries.client import RegistryClient
from harness.registries.front import certificates
from harness.registries.presented import Presented, wrong_clock

DAY = timedelta(days=1)
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, and a name server that knows none of the names here: whether there is one is not what is tried."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    real = socket.getaddrinfo

    def answer(host: str, *arguments: object, **more: object) -> object:
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def refusal(host: str, mirror: Mirror | None = None, *, seconds: float = 3.0) -> RegistryError:
    """What a client says that asks for an image there."""
    with RegistryClient(mirror, host, attempts=1, timeout=seconds) as client, pytest.raises(RegistryError) as raised:
        client.manifest(ImageReference(registry=host, repository="acme/app", tag="1"))
    return raised.value


@contextmanager
def tls_server(folder: Path, chain: tuple[Path, Path], *, date: datetime) -> Iterator[str]:
    """A server that speaks TLS with this certificate and has this time; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(date, usegmt=True)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    class Server(HTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that does not trust the certificate goes away, which is what it is to do."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*chain)
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_redirect_to_a_host_that_is_blocked_names_that_host() -> None:
    blocked = "http://127.0.0.1:1/blob"
    with answering(lambda request: Answer(307, "", {"Location": blocked})) as registry:
        error = refusal(registry.address)
    assert error.message.startswith(f"127.0.0.1:1, to which {registry.address} redirects, could not be reached: ")
    assert error.status == 0


def test_a_name_that_is_not_known_is_told_for_the_one_host() -> None:
    with answering(lambda request: Answer(307, "", {"Location": "http://blobs.invalid/blob"})) as registry:
        error = refusal(registry.address)
    said = f"blobs.invalid, to which {registry.address} redirects, could not be reached: the name blobs.invalid is not"
    assert error.message.startswith(said)
    assert "getent hosts blobs.invalid" in error.next_step


def test_a_proxy_that_does_not_answer_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://robot:hidden@127.0.0.1:1")
    error = refusal("registry.invalid")
    assert error.message.startswith("the proxy http://127.0.0.1:1, by which this machine reaches registry.invalid, did")
    assert "hidden" not in str(error)
    assert "allows registry.invalid" in error.next_step


@pytest.mark.parametrize("password", ["pa/ss", "p@ss", "p@s/s"])
def test_a_password_that_is_not_encoded_is_not_told(password: str) -> None:
    assert without_login(f"http://robot:{password}@proxy.example.com:3128/") == "http://proxy.example.com:3128"


def test_a_certificate_for_another_name_is_told_with_its_names(tmp_path: Path) -> None:
    made = certificates.make(tmp_path, ["ghcr.io"], ["127.0.0.2"])
    with tls_server(tmp_path, made.good, date=datetime.now(UTC)) as url:
        error = refusal("ghcr.io", Mirror(url=url, ca=made.ca))
    assert "is not valid for '127.0.0.1'. It names ghcr.io, localhost, 127.0.0.2." in error.message
    assert error.next_step == "ask the server by a name that its certificate has, or have it issued for 127.0.0.1"


def test_no_proxy_is_asked_for_what_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "registry.invalid,.example.com")
    assert "the name registry.invalid is not known" in refusal("registry.invalid").message
    assert proxy_for("https://a.example.com/v2/") == ""
    assert proxy_for("https://127.0.0.1:5000/v2/") == ""
    assert proxy_for("https://ghcr.io/v2/") == "http://127.0.0.1:1"


def test_a_range_of_addresses_needs_no_proxy_as_for_programs_in_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "not/one, 10.0.0.0/8,fd00::/8")
    assert proxy_for("https://10.1.2.3:5000/v2/") == ""
    assert proxy_for("https://[fd00::1]/v2/") == ""
    assert proxy_for("https://192.0.2.1/v2/") == "http://127.0.0.1:1"
    # A name is not looked up.
    assert proxy_for("https://ten.example.com/v2/") == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("exception", "direct"),
    [
        ("*.example.com", True),
        (".example.com", True),
        ("*", True),
        (".registry.example.com", False),
        ("Registry.Example.com", True),
        ("registry.example.com:5000", True),
        ("registry.example.com:443", False),
        ("*.registry.example.com", False),
        ("gistry.example.com", False),
        ("fd00::5", False),
    ],
)
def test_what_needs_no_proxy_is_written_as_for_programs_in_go(
    exception: str, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", f"other.example.org, {exception}")
    assert (proxy_for("https://registry.example.com:5000/v2/") == "") is direct


@pytest.mark.parametrize("proxy", ["http://[::1", " http://127.0.0.1:1", "http://127.0.0.1:port"])
def test_a_proxy_that_is_no_address_is_told(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(RegistryError, match=r"ghcr\.io cannot be asked while the environment has the proxy"):
        RegistryClient(None, "ghcr.io")


@pytest.mark.parametrize(
    "exception", ["fd00::/8", "[fd00::]/8", "::1/128", "[::1]:5000", "a:b:c", "ü.example.com", "%zz"]
)
def test_what_needs_no_proxy_may_be_written_in_any_way(exception: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # httpx, which reads the variable by itself, raises InvalidURL for each of these.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", exception)
    assert refusal("registry.invalid").message.startswith("the proxy http://127.0.0.1:1, by which this machine reaches")


@pytest.mark.parametrize(
    ("host", "said"),
    [("blobs.near.invalid", "the name blobs.near.invalid is not known"), ("far.invalid", "the proxy ")],
)
def test_each_address_has_its_own_proxy_or_none_after_a_redirect_too(
    host: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*.near.invalid:80")
    with answering(lambda request: Answer(307, "", {"Location": f"http://{host}/blob"})) as registry:
        assert said in refusal(registry.address).message


def test_a_proxy_that_is_not_asked_may_be_unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    # As GNOME sets both.
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1080/")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert "the proxy http://127.0.0.1:1, by which" in refusal("registry.invalid").message


def test_a_proxy_that_keeps_silent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        error = refusal("registry.invalid", seconds=0.2)
    assert error.message.startswith(f"the proxy {proxy}, by which this machine reaches registry.invalid, did not bring")
    assert "whether the proxy reaches registry.invalid" in error.next_step


def test_a_proxy_that_wants_a_login_without_tls_is_named_with_the_way_to_give_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = Answer(407, "<html>Who are you?</html>", {"Content-Type": "text/html", "Proxy-Authenticate": "Basic"})
    with answering(lambda request: wanted) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        error = refusal("ghcr.io", Mirror(url="http://mirror.invalid:5000"))
    assert error.message.startswith(
        f"the proxy http://{proxy.address}, by which this machine reaches the mirror http://"
    )
    assert error.message.endswith("did not let it through: Who are you?")
    assert "USER:PASSWORD@HOST:PORT" in error.next_step


def test_a_proxy_that_speaks_no_tls_is_no_registry_that_speaks_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(lambda request: Answer(400)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://{proxy.address}")
        error = refusal("registry.invalid")
    assert error.message.startswith(
        f"the proxy https://{proxy.address}, by which this machine reaches registry.invalid,"
    )
    assert error.next_step.startswith("write http:// in HTTPS_PROXY")


def test_what_a_proxy_answers_without_tls_is_told_with_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(lambda request: Answer(503, "<html>No such name</html>", {"Content-Type": "text/html"})) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        error = refusal("ghcr.io", Mirror(url="http://mirror.invalid:5000"))
    assert f"of ghcr.io, asked by the proxy http://{proxy.address}, answered 503 with a web page" in error.message


def test_an_answer_that_breaks_off_came_from_a_server_that_can_be_reached() -> None:
    cut = Answer(200, "{", {"Content-Length": "1000", "Content-Type": "application/json"})
    with answering(lambda request: cut) as registry:
        error = refusal(registry.address)
    assert error.message.startswith(f"the connection to {registry.address} broke off: peer closed connection")
    assert error.next_step.startswith(f"check the network before {registry.address}")
    assert "http://" not in error.next_step


@pytest.mark.parametrize("url", ["http://LOCALHOST:9", "http://localhost:80"])
def test_a_server_that_is_away_is_no_other_one_for_the_way_it_is_written(url: str) -> None:
    error = refusal("ghcr.io", Mirror(url=url))
    assert error.message.startswith(f"the mirror {url} of ghcr.io could not be reached")


def test_a_registry_in_such_a_range_is_asked_without_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    # 192.0.2.0/24 is nobody's, so that only the proxy's name can be in what is said.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert "the proxy http://127.0.0.1:1" in refusal("192.0.2.1").message
    monkeypatch.setenv("NO_PROXY", "192.0.2.0/24")
    assert "proxy" not in refusal("192.0.2.1").message


@pytest.mark.parametrize(
    ("certificate", "clock", "said", "step"),
    [
        (
            "good",
            timedelta(),
            "issued by spark-operator-harness local",
            "a proxy of yours that looks into TLS",
        ),
        ("expired", timedelta(), "it was valid until ", "renew the certificate of ghcr.io"),
        ("expired", -2 * DAY, "this machine's clock is 48 h ahead", "set this machine's clock"),
    ],
)
def test_a_certificate_that_is_not_trusted_says_why(
    tmp_path: Path, certificate: str, clock: timedelta, said: str, step: str
) -> None:
    made = certificates.make(tmp_path, ["ghcr.io"], ["127.0.0.1"])
    trusted = made.ca if certificate == "expired" else None
    with tls_server(tmp_path, getattr(made, certificate), date=datetime.now(UTC) + clock) as url:
        error = refusal("ghcr.io", Mirror(url=url, ca=trusted))
    assert error.message.startswith(f"the certificate of the mirror {url} of ghcr.io is not trusted: ")
    assert said in error.message
    assert step in error.next_step


def test_a_certificate_of_tomorrow_is_the_clocks_fault_only_by_the_servers_clock() -> None:
    now = datetime.now(UTC)
    late = Presented(issuer="it", begins=now + DAY / 2, ends=now + 90 * DAY, ahead=DAY)
    assert late.why().startswith("this machine's clock is 24 h behind")
    assert late.is_the_clock
    early = Presented(issuer="it", begins=now + DAY / 2, ends=now + 90 * DAY, ahead=timedelta())
    assert (early.why().startswith("it is valid from "), early.is_the_clock) == (True, False)


def test_clocks_that_differ_a_little_are_right() -> None:
    now = datetime.now(UTC)
    assert wrong_clock(format_datetime(now - timedelta(minutes=2), usegmt=True)) == ""
    assert wrong_clock(format_datetime(now - timedelta(minutes=30, seconds=5), usegmt=True)) == "30 min ahead"
    assert wrong_clock("") == ""
