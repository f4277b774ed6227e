"""kill -9 between a command, what is said, and the message that tells it: said once, heard once."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.store.database import load_messages
from tests.tasks.run.awkward_moments import FINISH, UNTIL_SAID, Killed, bash, saying, script, task

pytestmark = pytest.mark.slow

NEVER, ONCE = 0, 1

IN_A_TURN = [
    (e.UserSaid, 1, NEVER),
    (e.ToolFinished, 1, ONCE),
    (e.ModelCallStarted, 2, ONCE),
    (e.UserHeard, 1, ONCE),
    (e.MessageAdded, 5, ONCE),
    (e.ModelCallFinished, 2, ONCE),
    (e.ToolCalled, 2, ONCE),
    (e.TurnFinished, 1, ONCE),
    (e.VerdictReached, 1, ONCE),
    (e.TaskFinished, 1, ONCE),
]
IN_AN_EVALUATION = [
    (e.UserSaid, 1, NEVER),
    (e.CheckFinished, 1, ONCE),
    (e.VerdictReached, 1, ONCE),
    (e.UserHeard, 1, ONCE),
    (e.IterationStarted, 2, ONCE),
    (e.MessageAdded, 7, ONCE),
    (e.ModelCallStarted, 3, ONCE),
    (e.TaskFinished, 1, ONCE),
]
"""At which event of a kind it is killed, before that is stored, and how often the coder has heard it in the end."""


def answers(database: Path) -> list[bool]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT answer FROM commands ORDER BY id").fetchall()
    return [json.loads(answer)["ok"] for (answer,) in rows]


async def killed_and_resumed(
    run_tasks: Any, folder: Path, user: Any, moment: tuple[type[e.Event], int, int], work: str, **fields: Any
) -> Any:
    kind, number, heard = moment
    killed = Killed(folder, kind, number)
    scripts = [script("a", bash(f"touch x; {work}"), FINISH, FINISH)]

    def on_event(event: e.Event, state: Any) -> None:
        killed.on_event(event, state)
        user.on_event(event, state)

    given = {"no_evaluator": True} if fields else {}
    await run_tasks([task("a", **fields)], scripts, on_event=on_event, **given)
    await user.answers()
    again = await run_tasks([task("a", **fields)], scripts, resume_run=killed.restore(), **given)
    assert again.outcome.exit_code == 0
    database = again.outcome.run_folder / "run.db"
    with closing(sqlite3.connect(database)) as connection:
        messages = load_messages(connection, "a")
    assert sum("In German." in str(one["content"]) for one in messages if one["role"] == "user") == heard
    assert answers(database) == [bool(heard)]
    assert [one.text for one in again.task.said] == ["In German."] * heard
    return again


@pytest.mark.parametrize("moment", IN_A_TURN, ids=lambda m: f"{m[0].__name__} {m[1]}")
async def test_said_in_a_turn(run_tasks: Any, tmp_path: Path, moment: Any) -> None:
    user = saying(tmp_path, e.ToolCalled, task="a", text="In German.", token="t1")
    await killed_and_resumed(run_tasks, tmp_path, user, moment, UNTIL_SAID)


@pytest.mark.parametrize("moment", IN_AN_EVALUATION, ids=lambda m: f"{m[0].__name__} {m[1]}")
async def test_said_in_an_evaluation(run_tasks: Any, tmp_path: Path, moment: Any) -> None:
    user = saying(tmp_path, e.CheckStarted, task="a", text="In German.", token="t1")
    await killed_and_resumed(run_tasks, tmp_path, user, moment, "true", verify=UNTIL_SAID)
