"""What becomes of the processes behind tabs, however a tab, an app or the server ends."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.served import Running, gone, running, small_dashboard
from tests.dashboard.visitor import goodbye, open_tab, shown, visitor
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc")


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Running]:
    with running(small_dashboard(), tmp_path) as running_one:
        yield running_one


async def until_started(dashboard: Running, tabs: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(dashboard.processes()) < tabs:
            await asyncio.sleep(0.05)


async def test_keys_sizes_and_the_end_of_a_tab(dashboard: Running) -> None:
    async with visitor(dashboard) as session:
        async with await open_tab(session, dashboard, 90) as tab:
            await shown(tab, "size 90x24")
            await tab.send_json(["resize", {"width": 70, "height": 20}])
            await shown(tab, "size 70x20")
            await tab.send_json(["stdin", "z"])
            await shown(tab, "z")
            (app,) = dashboard.processes()
            assert os.getpgid(app) == os.getsid(app) == app, "a session and a group of its own"
        assert await gone(dashboard)


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.1, 0.3, 1.0])
@pytest.mark.slow
async def test_ten_tabs_opened_and_closed_at_once(dashboard: Running, pause: float) -> None:
    async with visitor(dashboard) as session:
        tabs = await asyncio.gather(*(open_tab(session, dashboard) for _ in range(10)))
        await asyncio.sleep(pause)
        await asyncio.gather(*(tab.close() for tab in tabs))
        assert await gone(dashboard)
        async with await open_tab(session, dashboard) as tab:
            await shown(tab, "hello")


@pytest.mark.slow
async def test_ten_connections_that_break_at_once(dashboard: Running) -> None:
    async with visitor(dashboard) as session:
        tabs = [await open_tab(session, dashboard) for _ in range(10)]
        await until_started(dashboard, 10)
        for tab in tabs:
            transport = tab._response.connection.transport  # type: ignore[union-attr]
            assert transport is not None
            transport.abort()
        assert await gone(dashboard)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.slow
async def test_the_server_ends_by_a_signal(dashboard: Running, number: signal.Signals, ready: bool) -> None:
    async with visitor(dashboard) as session:
        tabs = [await open_tab(session, dashboard) for _ in range(3)]
        if ready:
            for tab in tabs:
                await shown(tab, "hello")
        else:
            await until_started(dashboard, 3)
        dashboard.process.send_signal(number)
        for tab in tabs:
            assert (await goodbye(tab)).startswith("The dashboard has stopped.")
    assert await asyncio.to_thread(dashboard.process.wait, PATIENCE) == 0
    assert not dashboard.processes(), "none is left when the server has gone"
    assert dashboard.process.stderr is not None
    assert dashboard.process.stderr.read() == ""


async def test_the_server_is_killed(dashboard: Running) -> None:
    async with visitor(dashboard) as session:
        tabs = [await open_tab(session, dashboard) for _ in range(3)]
        await shown(tabs[0], "hello")
        dashboard.end(signal.SIGKILL)
        assert await gone(dashboard)


@pytest.mark.slow
async def test_a_hung_view_is_killed_with_its_tab(dashboard: Running) -> None:
    async with visitor(dashboard) as session:
        async with await open_tab(session, dashboard) as tab:
            await shown(tab, "hello")
            await tab.send_json(["stdin", "s"])
            await shown(tab, "s")
        assert await gone(dashboard)


@pytest.mark.slow
async def test_a_hung_view_that_is_typed_into(dashboard: Running) -> None:
    argv = [sys.executable, "-c", "import time; print('__GANGLION__', flush=True); time.sleep(600)"]
    with running(small_dashboard(argv), Path.cwd()) as hung:
        async with visitor(hung) as session, await open_tab(session, hung) as tab:
            for _ in range(40):
                await tab.send_json(["stdin", "x" * 100_000])
            assert await goodbye(tab) == "The view no longer accepts input."
        assert await gone(hung)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("q", "The view was closed."),
        ("x", "The view was closed."),
        ("d", "The view ended with exit code 3: something went wrong [bold]here[/]"),
    ],
)
@pytest.mark.slow
async def test_a_view_that_ends(dashboard: Running, key: str, sentence: str) -> None:
    """`x` leaves a process behind, which goes with the group."""
    async with visitor(dashboard) as session, await open_tab(session, dashboard) as tab:
        await shown(tab, "hello")
        await tab.send_json(["stdin", key])
        assert await goodbye(tab) == sentence
        assert await gone(dashboard)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (
            [sys.executable, "-c", "import sys; sys.exit('agentbatch: no such run')"],
            "The view ended with exit code 1: agentbatch: no such run",
        ),
        ([sys.executable, "-c", "print('hello')"], "The view was closed."),
        (
            [sys.executable, "-c", "print('__GANGLION__'); print('garbage that is no packet')"],
            "The view wrote something other than terminal output, and was ended.",
        ),
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], "The view was killed by signal 9."),
        (["/no/such/program"], "The view ended with exit code 1: FileNotFoundError: "),
    ],
)
@pytest.mark.slow
async def test_views_that_do_not_begin(tmp_path: Path, argv: list[str], sentence: str) -> None:
    with running(small_dashboard(argv), tmp_path) as broken:
        async with visitor(broken) as session, await open_tab(session, broken) as tab:
            assert (await goodbye(tab)).startswith(sentence)
        assert await gone(broken)


@pytest.mark.parametrize("message", ["[", '["quit"]', '["resize", {"width": -1, "height": 5}]', b"bytes"])
@pytest.mark.slow
async def test_invalid_messages(dashboard: Running, message: str | bytes) -> None:
    async with visitor(dashboard) as session, await open_tab(session, dashboard) as tab:
        await shown(tab, "hello")
        if isinstance(message, bytes):
            await tab.send_bytes(message)
        else:
            await tab.send_str(message)
        assert (await goodbye(tab)).startswith("The page sent an invalid message: ")
        assert await gone(dashboard)


async def test_a_view_has_no_keys_and_nothing_goes_through_a_shell(tmp_path: Path) -> None:
    code = "import os, sys; sys.exit(' '.join(sorted(os.environ)) + '|' + sys.argv[1])"
    argv = [sys.executable, "-c", code, "$(id); `id`"]
    keys = {"OPENAI_API_KEY": "sk-not-for-views", "CODER_API_KEY": "sk-not-either", "SOME_TOKEN": "a-token"}
    with running(small_dashboard(argv), tmp_path, keys) as secretive:
        async with visitor(secretive) as session, await open_tab(session, secretive) as tab:
            said = await goodbye(tab)
    assert "TEXTUAL_DRIVER" in said
    assert said.endswith("|$(id); `id`")
    assert not any(name in said for name in keys)
