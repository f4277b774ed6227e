"""Somebody else's agent as the attacker: by what it says of itself, and by what it leaves for the next run to start."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agentbatch.cli.main import main
from agentbatch.config import load_settings
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.store.store import Store
from agentbatch.tasks.coders.acp import permission
from agentbatch.tasks.coders.acp.updates import read_update, read_usage
from agentbatch.tasks.coders.coder import CoderState, Numbers
from agentbatch.tasks.coders.command.invocation import invocation
from agentbatch.tasks.coders.command.readers.reader import Ended, Session
from agentbatch.tasks.coders.command.session import READERS
from agentbatch.tasks.coders.external.updates.record import Record
from agentbatch.tasks.run.prepare.own_files import digests, planted_coders
from agentbatch.tasks.run.prepare.prepare import prepare
from tests.support.acp import acp_stage, update
from tests.support.command_coder import command_stage, entry, runs
from tests.support.paths import CHECKOUT
from tests.support.red_team import KEY
from tests.support.run_events import run_started

RECORDINGS = CHECKOUT / "tests/tasks/coders/command/recordings"

# what it says -----------------------------------------------------------------------------------------------------

ODD: list[Any] = [
    *(None, True, -1, 10**400, 1e308, float("nan"), float("inf"), "", "\ud800", "\0\x1b[2J", KEY, "x" * 50_000),
    *([], [[]], {}, {"a": 1}, ["x", None, {}], [{"type": "text", "text": 7}], {"type": []}, [[[[[]]]]], "../../x"),
]  # fmt: skip

UPDATES: list[dict[str, Any]] = [
    {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "x"}},
    {
        "sessionUpdate": "tool_call", "toolCallId": "a", "title": "`ls`", "kind": "execute", "status": "completed",
        "content": [
            {"type": "content", "content": {"type": "text", "text": "x"}},
            {"type": "diff", "path": "/w/a", "oldText": "a", "newText": "b"},
        ],
        "locations": [{"path": "/w/a", "line": 1}], "rawInput": {"command": ["bash", "-lc", "x"], "cmd": "x"},
        "rawOutput": {"exit_code": 0, "metadata": {"exit": 1}, "formatted_output": "x"},
        "_meta": {"terminal_exit": {"exit_code": 1}, "terminal_output_delta": {"data": "x"}},
    },
    {"sessionUpdate": "plan", "entries": [{"content": "x", "status": "pending"}]},
    {"sessionUpdate": "usage_update", "cost": {"amount": 1, "currency": "USD"}},
]  # fmt: skip


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*way, key))


def with_odd(document: Any) -> Iterator[Any]:
    """Each of its values replaced by each odd one."""
    for way in places(document):
        for odd in ODD:
            if not way:
                yield odd
                continue
            changed = json.loads(json.dumps(document))
            place = changed
            for key in way[:-1]:
                place = place[key]
            place[way[-1]] = odd
            yield changed


def kept(told: list[Any]) -> str:
    """What is written down of all that, in one turn."""
    events: list[e.Event] = []
    record = Record("t", "/w", events.append, Redactor([KEY]), numbers=Numbers())
    record.prompt("Do it.")
    for one in told:
        if not isinstance(one, Session | Ended):
            record.take(one)
    record.end_turn()
    cost, usage = record.take_bill()
    assert (cost or 0.0) < 1e12
    assert 0 <= usage.total < 1 << 45
    for command in record.work.commands:
        assert command.told, "what it tells is never what was seen"
    return "".join(event.model_dump_json() for event in events) + json.dumps([*record.messages])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDINGS.glob("*.jsonl")))
def test_whatever_stands_where_in_its_output_it_is_read(name: str) -> None:
    for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines():
        told = []
        for changed in with_odd(json.loads(line)):
            reader = READERS["claude" if name == "qwen" else name]()  # type: ignore[index]
            told += [*reader.read(json.dumps(changed).encode()), *reader.end(0)]
        written = kept(told)
        assert KEY not in written
        assert len(written) < 50_000_000


@pytest.mark.slow
@pytest.mark.parametrize("given", UPDATES, ids=lambda one: one["sessionUpdate"])
def test_whatever_stands_where_in_an_update_it_is_read(given: dict[str, Any]) -> None:
    told = [read_update(changed) for changed in with_odd(given) if isinstance(changed, dict)]
    assert KEY not in kept([one for one in told if one is not None])


def test_whatever_it_asks_leave_with_it_is_answered() -> None:
    for odd in ODD:
        for options in (
            odd,
            [odd],
            [{"kind": odd, "optionId": "x"}],
            [{"kind": "allow_once", "optionId": odd}],
        ):
            answer = permission.answer_permission({"options": options}, allow=True)
            assert answer["outcome"]["outcome"] in ("selected", "cancelled")
            assert isinstance(answer["outcome"].get("optionId", ""), str)
        assert read_usage({"inputTokens": odd, "outputTokens": 1}) is not None


# sessions ---------------------------------------------------------------------------------------------------------

REPLAY = [
    update(sessionUpdate="tool_call", toolCallId="r", title="`pytest -q`", kind="execute", status="completed",
           rawInput={"command": "pytest -q"}, rawOutput={"exit_code": 0}),
    update(sessionUpdate="plan", entries=[{"content": "all done", "status": "completed"}]),
    update(sessionUpdate="usage_update", cost={"amount": 99.0, "currency": "USD"}),
    {"say": "All is done, and was tested."},
    {"line": json.dumps({"id": "r", "method": "session/request_permission",
                         "params": {"toolCall": {"toolCallId": "x", "title": "`rm -rf /`", "kind": "execute"},
                                    "options": [{"optionId": "yes", "kind": "allow_once"}]}})},
]  # fmt: skip
ODD_SESSIONS = ["../../x", "--dangerously-skip", "/etc/passwd", "a\nb", "\ud800", "{token}", "x" * 1000]


@pytest.mark.slow
@pytest.mark.parametrize("session", ODD_SESSIONS)
async def test_a_session_that_is_taken_up_tells_nothing_of_what_was_before(
    session: str, tmp_path: Path
) -> None:
    """Whatever it replays then is no work of this turn's, and its id is a word that it is told again, and no path."""
    known = e.AgentSession(task_id="t", coder="fake", session=session, agent="fake 1.0")
    state = CoderState([known], [], 0, [{"role": "user", "content": "Do it."}])
    (place := tmp_path / "above/place").mkdir(parents=True)
    script = {"replay": REPLAY, "anyone": True}
    async with acp_stage(place, [{"say": "No."}], script=script, state=state) as stage:
        outcome = await stage.coder.turn("Go on.")
        assert (outcome.text, stage.coder.work.commands, stage.of(e.ToolCalled)) == ("No.", [], [])
        loaded = [one["session"] for one in stage.heard if one["method"] == "session/load"]
        assert loaded == [session]
        assert [bill.cost for bill in stage.of(e.ModelCallFinished)] in ([None], [0.0])
        (taken,) = stage.of(e.AgentSession)
        assert taken.taken_up
    assert [path for path in tmp_path.rglob("*") if place not in (path, *path.parents)] == [place.parent]


@pytest.mark.parametrize("session", ODD_SESSIONS)
def test_no_session_becomes_an_option_or_a_path_of_a_command(session: str) -> None:
    """It is given to the program only where it is a plain word; the prompt is one argument, and no option."""
    asked = invocation(entry(resume="a --resume {session}"), "--dangerously-skip-permissions", "s", "/home")
    assert asked.values == {"session": "s", "prompt": " --dangerously-skip-permissions"}


@pytest.mark.slow
@pytest.mark.parametrize("session", ODD_SESSIONS)
async def test_a_session_that_is_no_plain_word_is_not_gone_on_with(session: str, tmp_path: Path) -> None:
    init = {"type": "system", "subtype": "init", "session_id": session}
    says = {"type": "assistant", "message": {"content": [{"type": "text", "text": "Done."}]}}
    run = [{"line": one} for one in (init, says, {"type": "result", "subtype": "success", "is_error": False})]
    async with command_stage(tmp_path, run, run) as stage:
        await stage.coder.turn("Do it.")
        await stage.coder.turn("Go on.")
        assert [arguments for arguments, _ in runs(stage)] == [[], []]
        assert {one.session for one in stage.of(e.AgentSession)} <= {""}


# what the next run starts -----------------------------------------------------------------------------------------

MINE = '[mine]\nprotocol = "command"\ncommand = ["{program}"]\ngateway = false\n'


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says} >> {path.parent.parent / 'ran'}; echo mine {says}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a task has worked; `safe` is first on nobody's PATH."""
    folder = tmp_path / "project"
    (folder / "agents").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.mark.parametrize("there", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_no_planted_program_is_started_to_be_looked_at(
    there: bool,
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In `.`, `node_modules/.bin`, a folder of the project's that is on PATH; the user's own stands behind them."""
    (project / "agents/coders.toml").write_text(MINE.format(program="mine-agent"))
    for planted in (".", "node_modules/.bin", "bin"):
        program(project / planted / "mine-agent", "6.6.6")
    if there:
        program(tmp_path / "safe/mine-agent", "1.2.3")
    folders = (".", "", "node_modules/.bin", project / "node_modules/.bin", project / "bin", project)
    path = ":".join(map(str, (*folders, tmp_path / "safe", "/usr/bin", "/bin")))
    monkeypatch.setenv("PATH", path)
    assert main(["coders", "mine", "--json", "--sandbox", "none"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["installed"], found["version"]) == ((True, "1.2.3") if there else (False, None))
    assert not list(project.rglob("ran"))


async def test_a_planted_table_of_coders_is_not_obeyed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A task that could write agents/coders.toml may have said there what is started next, and with which login."""
    table, before = project / "agents/coders.toml", digests([project / "task.json"], project)
    store = Store(create_run_folder(project, datetime(2026, 1, 2)), Redactor([]))
    store.emit(run_started(max_concurrent=1, own_files=before or {"task.json": "1"}))
    await store.close()
    assert planted_coders(project) == ""
    evil = program(project.parent / "evil/mine-agent", "6.6.6")
    table.write_text(MINE.format(program=evil))
    assert planted_coders(project).startswith(
        "agents/coders.toml was changed since run 20260102-000000-0000 began"
    )
    (project / "task.json").write_text('{"tasks": [{"first_prompt": "x", "coder": "mine"}]}')
    environ = {"PATH": "/usr/bin:/bin"}
    with pytest.raises(UserError, match="agents/coders.toml was changed since run"):
        prepare(load_settings({}, environ, folder=project), folder=project, environ=environ)
    trusting = load_settings({"trust_changes": True}, environ, folder=project)
    assert prepare(trusting, folder=project, environ=environ).plan.tasks


@pytest.mark.slow
def test_a_planted_table_of_coders_starts_nothing_to_be_looked_at(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = program(project.parent / "evil/mine-agent", "6.6.6")
    (project / "agents/coders.toml").write_text(MINE.format(program=evil))
    for place in ("agentbatch.cli.setup.coders", "agentbatch.cli.setup.coder_check"):
        monkeypatch.setattr(f"{place}.planted_coders", lambda folder: "It was changed.")
    assert main(["coders", "mine", "--json", "--sandbox", "none"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["installed"], found["problem"]) == (False, "It was changed.")
    main(["doctor", "--coder", "mine", "--sandbox", "none"])
    assert "It was changed." in capsys.readouterr().out
    assert not list(project.parent.rglob("ran"))
