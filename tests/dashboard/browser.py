"""Debian's Chromium without a window, driven over its DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.waiting import PATIENCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a browser: apt-get install -y chromium (or /usr/bin/chromium by any way)"
)

KEEP_TERMINAL = """
Object.defineProperty(Object.prototype, "fitAddon", {
  configurable: true,
  set(value) {
    window.shownTerminal = this.terminal;
    Object.defineProperty(this, "fitAddon", {value, writable: true});
  },
});
"""
"""textual.js draws on a canvas and keeps its terminal to itself: take it where it stores it."""

SCREEN = """
(() => {
  if (!window.shownTerminal) return "";
  const buffer = window.shownTerminal.buffer.active;
  const lines = Array.from({length: buffer.length}, (_, n) => buffer.getLine(n).translateToString(true));
  return lines.join("\\n");
})()
"""


class Tab:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requested: list[str] = []
        """Addresses that the page has asked for."""
        self.console: list[str] = []
        """Errors and warnings that the browser wrote."""
        self.reading = asyncio.ensure_future(self._read())

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE):
            answer = await self._answers[number]
        assert "error" not in answer, answer
        return answer["result"]  # type: ignore[no-any-return]

    async def prepare(self) -> None:
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=KEEP_TERMINAL)

    async def go(self, address: object) -> None:
        await self.call("Page.navigate", url=str(address))

    async def value(self, expression: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def until(self, expression: str, right: Callable[[Any], bool] = bool) -> Any:
        """The expression's value as soon as it is right; fails after PATIENCE."""
        value = None
        try:
            async with asyncio.timeout(PATIENCE):
                while not right(value := await self.value(expression)):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            screen, why = await self.value(SCREEN), await self.value("document.body.innerText")
            pytest.fail(f"never right: {value!r}\npage: {why}\nscreen:\n{screen}\n{self.console}")
        return value

    async def screen_with(self, text: str) -> str:
        """The terminal's text as soon as it has `text` in it."""
        return str(await self.until(SCREEN, lambda screen: text in screen))

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else ""
            )

    async def picture(self, path: Path) -> None:
        answer = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            elif told["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                parameters = told["params"]
                self.requested.append(parameters.get("url") or parameters["request"]["url"])
            elif told["method"] == "Log.entryAdded":
                self.console.append(told["params"]["entry"]["text"])
            elif told["method"] == "Runtime.exceptionThrown":
                self.console.append(str(told["params"]["exceptionDetails"]))


class Browser:
    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._base = f"http://127.0.0.1:{port}"
        self._tabs: dict[Tab, str] = {}

    async def tab(self) -> Tab:
        """A new, empty page."""
        async with self._session.put(f"{self._base}/json/new?about:blank") as answer:
            target = await answer.json(content_type=None)
        socket = await self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)
        tab = Tab(socket)
        self._tabs[tab] = target["id"]
        await tab.prepare()
        return tab

    async def close(self, tab: Tab) -> None:
        async with self._session.get(f"{self._base}/json/close/{self._tabs[tab]}") as answer:
            assert answer.status == 200


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    assert CHROMIUM is not None
    # Its profile is written to until the last of its processes has ended.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(  # noqa: ASYNC220 - it does not take long
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--window-size=900,600",
                "--remote-debugging-port=0",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(profile) / "DevToolsActivePort", process)
            async with aiohttp.ClientSession() as session:
                yield Browser(session, port)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()
                process.wait()


async def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    """Chromium writes it there as soon as it listens."""
    async with asyncio.timeout(PATIENCE):
        while True:
            assert process.poll() is None, "chromium has ended"
            if file.is_file() and (lines := file.read_text().splitlines()):
                return int(lines[0])
            await asyncio.sleep(0.1)
