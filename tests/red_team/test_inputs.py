"""What a coder may have left where the next run reads: a sentence, or no harm; never a wait, a trace, or a way out."""

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from agentbatch.config import load_settings
from agentbatch.display.reports.exports.export import ExportKind, export
from agentbatch.errors import UserError
from agentbatch.spending.price_file import read_prices
from agentbatch.tasks.agents.definition import load_evaluator
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.makers import CoderKinds
from agentbatch.tasks.results.to_state import state_of
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.task_file import load_tasks
from agentbatch.workspace.preparation import check_directories
from tests.support.red_team import KEY

TERABYTE = 2**40


def sparse(place: Path) -> None:
    with open(place, "wb") as file:
        file.truncate(TERABYTE)


def holding(content: bytes) -> Callable[[Path], object]:
    return lambda place: place.write_bytes(content)


def link_to_a_fifo(place: Path) -> None:
    os.mkfifo(f"{place}.fifo")
    place.symlink_to(f"{place}.fifo")


PLANTED: dict[str, Callable[[Path], object]] = {
    "a fifo": lambda place: os.mkfifo(place),
    "a terabyte": sparse,
    "a folder": lambda place: place.mkdir(),
    "a link to a device without end": lambda place: place.symlink_to("/dev/zero"),
    "a link to itself": lambda place: place.symlink_to(place.name),
    "a link to nowhere": lambda place: place.symlink_to("nowhere"),
    "a link to a fifo": link_to_a_fifo,
    "no UTF-8": holding(b"\xff\xfe\x00k\x80"),
    "NUL": holding(b"\0" * 1000),
    "brackets without end": holding(b"[" * 200_000),
    "one long word": holding(b"x" * 900_000),
}  # fmt: skip


def read_prompts(folder: Path) -> object:
    evaluator = load_evaluator(folder)
    return Prompts(folder, CoderKinds(folder).get("builtin").prompts, evaluator.prompts)


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "task file": ("task.json", lambda folder: load_tasks(folder / "task.json")),
    "env file": (".env", lambda folder: load_settings({}, {"OPENAI_API_KEY": KEY}, folder=folder)),
    "agent": ("agents/evaluator.toml", load_evaluator),
    "prompt": ("prompts/evaluator.md", read_prompts),
    "prices": ("prices.toml", lambda folder: read_prices(folder / "prices.toml")),
}
"""Where it lies, and what reads it."""


@pytest.mark.parametrize("what", PLANTED)
@pytest.mark.parametrize("reader", READERS)
def test_what_was_planted_is_refused_in_a_sentence_or_does_nothing(
    tmp_path: Path, reader: str, what: str
) -> None:
    name, read = READERS[reader]
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    PLANTED[what](place)
    told = ""
    try:
        read(tmp_path)
    except UserError as error:
        told = str(error)
    assert len(told) < 2_000
    assert KEY not in told


TASKS = {
    "a dir above": {"dir": "../../etc"},
    "a dir of the machine": {"dir": "/proc/self"},
    "a dir with NUL": {"dir": "a\0b"},
    "an id that climbs": {"id": "../../x", "dir": "a"},
    "an id that is hidden": {"id": ".", "dir": "a"},
    "an id with a line": {"id": "a\nb", "dir": "a"},
    "an env of no text": {"dir": "a", "env": {"A": ["x"]}},
    "a pattern that climbs": {"dir": "a", "protected_paths": ["../x"]},
    "an unknown key": {"dir": "a", "__class__": "x"},
    "half a pair": {"dir": "a\ud800"},
    "a huge number": {"dir": "a", "max_iterations": 10**400},
    "a huge prompt": {"dir": "a", "first_prompt": "x" * 5_000_000},
    "an endless dir": {"dir": "n" * 200 + "/" + "a/" * 40_000},
    "a dir of dots": {"dir": "a/" + "b/../" * 5_000},
    "no object": "x",
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_that_reaches_out_is_refused_or_named(tmp_path: Path, name: str) -> None:
    entry = TASKS[name]
    task = {"first_prompt": "p", **entry} if isinstance(entry, dict) else entry
    (tmp_path / "task.json").write_text(json.dumps({"tasks": [task]}))
    told = ""
    try:
        make_plan(load_tasks(tmp_path / "task.json"), tmp_path / "task.json", max_iterations=1)
    except UserError as error:
        told = str(error)
    # A dir elsewhere is the user's own word, which the plan shows.
    assert bool(told) is (name not in ("a dir above", "a dir of the machine"))
    assert len(told) < 2_000


def test_a_million_tasks_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text('{"tasks": [' + ", ".join(["5"] * 1_000_000) + "]}")
    with pytest.raises(UserError, match="1,000,000 tasks; at most"):
        load_tasks(tmp_path / "task.json")


@pytest.mark.parametrize(
    ("where", "refused"),
    [
        (".agentbatch", True),
        (".agentbatch/runs/r1/tasks", True),
        (".git", True),
        (".git/hooks", True),
        ("sub/.git/info", True),
        ("link/hooks", True),
        ("sub", False),
        (".github", False),
        ("agentbatch", False),
    ],
)
def test_no_task_works_in_what_keeps_runs_or_runs_later(tmp_path: Path, where: str, refused: bool) -> None:
    base = tmp_path / ".agentbatch/runs/outer/work"  # of a run in a run
    (base / ".git").mkdir(parents=True)
    (base / "link").symlink_to(".git")
    if refused:
        with pytest.raises(UserError, match="where nothing works"):
            check_directories([("a", (base / where).resolve())], base)
    else:
        check_directories([("a", base / where)], base)


DRESSED = "\x1b]0;x\x07\x1b[2Jev\u202eil\r\n\x9b31m</script>|`'\""
VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    10**400,
    1e308,
    math.nan,
    -math.inf,
    "",
    DRESSED,
    "9" * 5000,
    [],
    {},
    [DRESSED],
    253402300800.0,
)
RESULTS: dict[str, Any] = {
    "summary": {"totalTasks": 1, "completedTasks": 1, "failedTasks": 0, "durationSeconds": 5.0,
                "maxConcurrent": 1, "timestamp": "2026-01-02T03:04:05.000Z"},
    "results": [{"taskIndex": 0, "task": {"dir": "a", "first_prompt": "Do it."}, "duration": 5000,
                 "timestamp": "2026-01-02T03:04:05.000Z",
                 "result": {"status": "completed", "iterations": 1, "lastResponse": "Done.", "lastEvaluation": "Good.",
                            "tokenStats": {"totalTokens": 3, "promptTokens": 2, "completionTokens": 1}}}],
}  # fmt: skip


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    yield path
    for key, one in inner:
        yield from leaves(one, (*path, key))


def put(document: Any, path: tuple[str | int, ...], value: object) -> Any:
    if not path:
        return value
    copy = document.copy()
    copy[path[0]] = put(document[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("path", list(leaves(RESULTS)), ids=lambda path: ".".join(map(str, path)))
def test_a_results_file_that_a_task_wrote_is_shown_or_refused(path: tuple[str | int, ...]) -> None:
    texts = []
    for value in VALUES:
        try:
            state = state_of(put(RESULTS, path, value))
            texts += [export(kind, state, 1.79e9) for kind in get_args(ExportKind) if kind != "json"]
        except UserError as error:
            texts.append(str(error))
    assert [text for text in texts if not all(line.isprintable() for line in text.splitlines())] == []
