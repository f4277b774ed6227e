import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from yarl import URL

from agentbatch.cli.setup.dashboard import attach_command
from agentbatch.runs.folder import RunFolder
from tests.dashboard.browser import SCREEN, browser, needs_chromium
from tests.dashboard.served import gone, running
from tests.dashboard.visitor import stranger
from tests.runs.stored_runs import begin, end, finished, work
from tests.support import commands
from tests.support.waiting import PATIENCE

DASHBOARD = ("-P", "-m", "agentbatch", "dashboard", "--port", "0")


def refused(base: Path, *words: str) -> str:
    """What a dashboard says that does not begin."""
    done = commands.run("dashboard", *words, cwd=base, env=os.environ)
    assert (done.returncode, done.stdout) == (2, "")
    *usage, line = done.stderr.splitlines()
    assert all(part.startswith(("usage: ", " ")) for part in usage)
    return line


def test_what_a_tab_is_a_process_of(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    plain = attach_command(folder, control=False)
    assert plain == [sys.executable, "-P", "-m", "agentbatch", "attach", str(tmp_path / "run")]
    assert attach_command(folder, control=True) == [*plain, "--control"]


async def test_mistakes_are_told_in_a_sentence(tmp_path: Path) -> None:
    assert refused(tmp_path).startswith("agentbatch: There are no runs in this folder")
    await finished(tmp_path)
    assert refused(tmp_path, "x").startswith("agentbatch: There is no run 'x' here.")
    for port in ("x", "-1", "65536", "3008.5", ""):
        assert f"--port: must be a whole number from 0 to 65535, not {port!r}." in refused(
            tmp_path, f"--port={port}"
        )
    assert "is not a name or address of this machine" in refused(tmp_path, "--host", "no.such.host.invalid")
    with running(DASHBOARD, tmp_path) as first:
        said = refused(tmp_path, "--port", str(first.address.port))
        assert re.search(r"is in use, .*: agentbatch dashboard --port \d+\.$", said)


def test_without_the_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['textual_serve'] = None; "
        "from agentbatch.cli.main import main; sys.exit(main(['dashboard']))"
    )
    words = [sys.executable, "-P", "-c", code]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert (
        done.stderr == "agentbatch: The dashboard needs textual-serve: pip install 'agentbatch[dashboard]'.\n"
    )


def printed(base: Path, *flags: str) -> list[str]:
    """The lines of a dashboard that is ended by Ctrl-C as soon as it has told of it."""
    words = [sys.executable, *DASHBOARD, *flags]
    process = subprocess.Popen(words, cwd=base, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if "Ctrl-C" in line:
            process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    return lines


@pytest.mark.parametrize(("flags", "said"), [((), "Read-only"), (("--control",), "Commands are allowed")])
async def test_what_is_printed(tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    folder = await finished(tmp_path)
    lines = await asyncio.to_thread(printed, tmp_path, *flags)
    assert lines[0] == f"Dashboard of run {folder.run_id}:"
    assert any(said in line for line in lines)
    assert lines[-1] == "Ctrl-C stops the dashboard. The run continues."
    assert all(len(line) <= 80 for line in lines)


async def test_the_browser_is_opened_with_a_token_for_once(tmp_path: Path) -> None:
    """Its command line can be read by every user of the machine."""
    await finished(tmp_path)
    opened = tmp_path / "opened"
    program = tmp_path / "browser.sh"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
    program.chmod(0o755)
    environment = {"BROWSER": f"{program} %s"}
    with running([*DASHBOARD, "--open"], tmp_path, environment) as dashboard:
        async with asyncio.timeout(PATIENCE):
            while not opened.exists():
                await asyncio.sleep(0.05)
        address = URL(opened.read_text())
        assert address.with_query(None) == dashboard.address.with_query(None)
        assert address.query["token"] != dashboard.address.query["token"]
        statuses = []
        for url in (address, address, dashboard.address, dashboard.address):
            async with stranger() as session, session.get(url) as answer:
                statuses.append(answer.status)
        assert statuses == [200, 403, 200, 200]


def test_help_needs_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", "-m", "agentbatch", "dashboard", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not imported & {"aiohttp", "textual", "textual_serve", "jinja2", "openai", "tiktoken"}
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.slow
@needs_chromium
async def test_a_run_under_way_in_the_browser(tmp_path: Path) -> None:
    store = begin(tmp_path, 6)
    work(store, "t1")
    end(store, "t1")
    work(store, "t2")
    end(store, "t2", status="error", reason="blocked", error="no sales.csv")
    keys = {"OPENAI_API_KEY": "sk-not-for-views-at-all"}
    with running(DASHBOARD, tmp_path, keys) as dashboard:
        async with browser() as chromium:
            tab = await chromium.tab()
            await tab.go(dashboard.address)
            screen = await tab.screen_with("t5")
            for line in (r"queued +t0", r"completed +t1", r"error +t2.*no sales\.csv", r"read-only"):
                assert re.search(line, screen), screen
            work(store, "t4")
            await tab.until(SCREEN, lambda shown: re.search(r"coding +t4", shown) is not None)
            await tab.press("?")
            await tab.screen_with("Show the keys")
            assert await tab.value("document.title") == f"agentbatch {store.folder.run_id}"
            (view,) = dashboard.processes()
            assert b"sk-not-for-views" not in Path(f"/proc/{view}/environ").read_bytes()
            assert os.readlink(f"/proc/{view}/cwd") == str(tmp_path)
            await chromium.close(tab)
            assert await gone(dashboard)
        assert dashboard.end() == 0
    await store.close()
