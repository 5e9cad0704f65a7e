# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium for tests, driven by its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS = 60
PHONE, DESKTOP = (390, 844), (1400, 900)


def found() -> str | None:
    """The program, where there is one."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab. Its methods wait for the browser's answer, at most for a minute."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._loop, self._socket = loop, socket
        self._numbers = itertools.count(1)
        self.requests: list[str] = []
        """What the page asked for, other than itself."""
        self.complaints: list[str] = []
        """Errors of scripts and of the content security policy."""

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        return self._loop.run_until_complete(asyncio.wait_for(self._ask(method, parameters), _SECONDS))

    def open(self, address: str, *, size: tuple[int, int] = DESKTOP, dark: bool = False, script: bool = True) -> None:
        """Open a page in a window of this size, and wait until it is loaded."""
        width, height = size
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=features)
        self.send("Emulation.setScriptExecutionDisabled", value=not script)
        self.requests.clear()
        self.complaints.clear()
        self.send("Page.navigate", url=address)
        self._loop.run_until_complete(asyncio.wait_for(self._until("Page.loadEventFired"), _SECONDS))

    def run(self, expression: str) -> Any:
        """The value of an expression in the page, or of the promise that it is."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, file: Path, *, whole: bool = False) -> Path:
        """A picture of what is in sight, or of the whole page."""
        answer = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(answer["data"]))
        return file

    async def _ask(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._next()
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                result: dict[str, Any] = message["result"]
                return result

    async def _until(self, event: str) -> None:
        while (await self._next()).get("method") != event:
            pass

    async def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json()
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent" and parameters["type"] != "Document":
            self.requests.append(parameters["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        return message


@contextmanager
def browser(program: str, folder: Path) -> Iterator[Page]:
    """A browser with one tab, whose profile is in `folder`; it ends with the context."""
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    words += ["--no-first-run", "--disable-background-networking", "--remote-debugging-port=0"]
    words += [f"--user-data-dir={folder}", "about:blank"]
    # The sandbox needs rights that containers lack; the only pages opened are the tests' own.
    process = subprocess.Popen([program, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    loop = asyncio.new_event_loop()
    try:
        said = process.stderr or ()
        line = next((line for line in said if "DevTools listening on" in line), "")
        assert line, "the browser did not say where it listens"
        session, socket = loop.run_until_complete(_attach(line.split("ws://")[1].split("/")[0]))
        page = Page(loop, socket)
        for domain in ("Page", "Network", "Log", "Runtime"):
            page.send(f"{domain}.enable")
        yield page
        loop.run_until_complete(socket.close())
        loop.run_until_complete(session.close())
    finally:
        process.terminate()
        process.wait(_SECONDS)
        if process.stderr:
            process.stderr.close()
        loop.close()


async def _attach(host: str) -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
    session = aiohttp.ClientSession()
    async with session.get(f"http://{host}/json/list") as answer:
        tabs = await answer.json()
    address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
    return session, await session.ws_connect(address, max_msg_size=0)
