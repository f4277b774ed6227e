"""What a coder may have left where the next run reads: a sentence, or no harm; never a wait, a trace, or a way out."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agentbatch.config import load_settings
from agentbatch.errors import UserError
from agentbatch.spending.price_file import read_prices
from agentbatch.tasks.agents.definition import load_evaluator
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.makers import CODERS
from agentbatch.tasks.spec.task_file import load_tasks
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
    return Prompts(folder, CODERS["builtin"](folder).prompts, evaluator.prompts)


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
    "no object": "x",
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_that_reaches_out_is_refused_or_named(tmp_path: Path, name: str) -> None:
    entry = TASKS[name]
    task = {"first_prompt": "p", **entry} if isinstance(entry, dict) else entry
    (tmp_path / "task.json").write_text(json.dumps({"tasks": [task]}))
    told = ""
    try:
        load_tasks(tmp_path / "task.json")
    except UserError as error:
        told = str(error)
    # A dir elsewhere is the user's own word, which the plan shows.
    assert bool(told) is (name not in ("a dir above", "a dir of the machine"))
    assert len(told) < 2_000
