"""Notifications reach a real HTTP server on loopback, through the real apprise."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.services.notify import Notifier, check_notify
from agentbatch.runs.store.store import Store
from tests.support.paths import CHECKOUT
from tests.support.receiver import TOKEN, Receiver
from tests.support.run_events import run_started


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    receiver = Receiver(getattr(request, "param", 200))
    yield receiver
    receiver.close()


def secret(*urls: str) -> list[SecretStr]:
    return [SecretStr(url) for url in urls]


async def play(
    tmp_path: Path, urls: list[str], *ends: e.FinalStatus, resumable: int = 0, within: float = 300.0
) -> Store:
    """A run with a task for each status in `ends`, the first `resumable` of them not at their end, with notifications
    to `urls`."""
    store = Store(create_run_folder(tmp_path, datetime(2026, 1, 2)), Redactor([*urls, "sk-hidden-key"]))
    notifier = Notifier(secret(*urls), store, tmp_path / "results.json", within=within)
    store.listen(notifier)
    started = run_started(len(ends), run_id="sk-hidden-key")
    store.emit(started)
    for n in range(len(ends)):
        store.emit(e.TaskQueued(task_id=f"t{n}", index=n, dir=f"d{n}", first_prompt="p", max_iterations=4))
    for n, status in enumerate(ends):
        store.emit(e.TaskFinished(task_id=f"t{n}", status=status, reason="stalled", resumable=n < resumable))
    store.emit(e.RunFinished())
    await notifier.finish()
    await store.close()
    return store


@pytest.mark.slow
async def test_the_first_failure_and_the_end_are_told_in_this_order(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.linger = 1.0
    store = await play(tmp_path, [receiver.url], "error", "completed", "timeout", "error", resumable=1)
    assert [message["title"] for message in receiver.got] == [
        "agentbatch: task t2 failed",
        "agentbatch: the run is over, 1 of 4 tasks completed",
    ]
    assert [message["type"] for message in receiver.got] == ["failure", "failure"]
    assert "- t3: no progress in three iterations" in receiver.got[1]["message"].splitlines()
    assert "sk-hidden-key" not in json.dumps(receiver.got)
    assert receiver.most == 1
    assert store.state.notices == []


async def test_without_an_address_nothing_is_sent_or_waited_for(tmp_path: Path, receiver: Receiver) -> None:
    store = await play(tmp_path, [], "error", "completed", within=0.0)
    assert (receiver.got, store.state.notices) == ([], [])


async def test_without_a_failure_only_the_end_is_told(tmp_path: Path, receiver: Receiver) -> None:
    await play(tmp_path, [receiver.url], "completed", "skipped")
    assert [message["title"] for message in receiver.got] == [
        "agentbatch: the run is over, 1 of 2 tasks completed"
    ]


@pytest.mark.parametrize("receiver", [404], indirect=True)
async def test_addresses_that_fail_are_told_once_each_without_secrets(
    tmp_path: Path, receiver: Receiver
) -> None:
    dead = Receiver(200)
    dead.close()
    store = await play(tmp_path, [receiver.url, dead.url], "error")
    assert len(receiver.got) == 2
    assert sorted(store.state.notices) == [
        "--notify: json://… could not be notified: the server answered 404.",
        "--notify: json://… could not be notified: there was no connection to its server.",
    ]
    assert TOKEN not in (store.folder.path / "run.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("receiver", [None], indirect=True)
@pytest.mark.slow
async def test_a_server_that_never_answers_does_not_keep_another_from_being_told(
    tmp_path: Path, receiver: Receiver
) -> None:
    well = Receiver(200)
    store = await play(tmp_path, [receiver.url, well.url], "completed")
    well.close()
    assert receiver.called.is_set()
    assert len(well.got) == 1
    assert store.state.notices == [
        "--notify: json://… could not be notified: there was no connection to its server."
    ]


@pytest.mark.parametrize("receiver", [None], indirect=True)
async def test_the_end_of_a_run_waits_no_longer_than_its_limit(tmp_path: Path, receiver: Receiver) -> None:
    """apprise would wait for four seconds, and no process of it is left behind."""
    store = await play(tmp_path, [receiver.url], "error", within=1.5)
    assert store.state.notices == [
        "--notify: json://… could not be notified: there was no answer within 1.5 s."
    ]
    listed = await asyncio.create_subprocess_exec(
        "ps", "-o", "args=", "--ppid", str(os.getpid()), stdout=subprocess.PIPE
    )
    children, _ = await listed.communicate()
    assert b"ps -o" in children
    assert b"notify_process" not in children


@pytest.mark.slow
def test_nothing_is_written_outside(tmp_path: Path, receiver: Receiver) -> None:
    """apprise would keep a store below HOME."""
    script = tmp_path / "play.py"
    script.write_text(
        "import asyncio, sys\nfrom pathlib import Path\n"
        f"sys.path.insert(0, {str(CHECKOUT)!r})\n"
        "from tests.runs.services.test_notify import play\n"
        "asyncio.run(play(Path(sys.argv[1]), [sys.argv[2]], 'error'))\n"
    )
    for name in ("home", "work", "run"):
        (tmp_path / name).mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    environ |= {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    subprocess.run(
        [sys.executable, str(script), str(tmp_path / "run"), receiver.url],
        env=environ, cwd=tmp_path / "work", check=True, timeout=300,
    )  # fmt: skip
    assert len(receiver.got) == 2
    assert list((tmp_path / "home").rglob("*")) == []
    assert list((tmp_path / "work").rglob("*")) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"slack://{TOKEN}", "does not understand slack://… (number 2 of 2)"),
        (f"nonsense://{TOKEN}", "does not understand nonsense://…"),
        (f"user:{TOKEN}@host", "does not understand an address without a scheme"),
        (f"http://host/{TOKEN}", "does not understand http://…"),
        (f"mqtt://host/{TOKEN}", "mqtt://… does not work here without paho-mqtt"),
    ],
)
def test_an_address_that_apprise_cannot_use_is_refused_before_the_run(url: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        check_notify(secret("json://127.0.0.1:9/x", url))
    assert said in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_good_addresses_are_taken_and_nothing_is_sent(receiver: Receiver) -> None:
    check_notify(secret(receiver.url, f"mailto://user:{TOKEN}@example.com", "ntfy://topic"))
    check_notify([])
    assert not receiver.called.is_set()


def test_without_apprise_the_extra_is_named(tmp_path: Path) -> None:
    """A package of that name that cannot be imported stands before the real one."""
    (tmp_path / "apprise.py").write_text("raise ModuleNotFoundError('No module named apprise')")
    code = (
        "from pydantic import SecretStr\nfrom agentbatch.runs.services.notify import check_notify\n"
        "check_notify([SecretStr('json://127.0.0.1:9/x')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert "UserError: --notify needs apprise: pip install 'agentbatch[notify]'." in done.stderr
