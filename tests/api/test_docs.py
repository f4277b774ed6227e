"""docs/python.md is true: its examples run, and it names what there is."""

import ast
import asyncio
import inspect
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import agentbatch
from agentbatch.rehearsal.library import sample_scripts
from agentbatch.rehearsal.script import Fault
from agentbatch.rehearsal.server import RehearsalServer
from tests.api.conftest import script, writes
from tests.support.commands import start_program
from tests.support.keys import KEY
from tests.support.paths import CHECKOUT
from tests.support.waiting import PATIENCE

PAGE = (CHECKOUT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.S)
TASKS = [
    {"id": f"docs-{name}", "dir": f"work/{name}", "first_prompt": f"Do {name}.", "verify": f"test -e {name}"}
    for name in ("a", "b")
]


def example(word: str) -> str:
    """The one in which this word stands."""
    (found,) = [block for block in BLOCKS if word in block]
    return found


@pytest.fixture
async def server() -> AsyncIterator[RehearsalServer]:
    scripts = [*sample_scripts(), script("a", writes("a")), script("b", writes("b"))]
    async with RehearsalServer(scripts, any_model=True, key=KEY) as server:
        yield server


def task_file(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "task.json").write_text(json.dumps({"tasks": TASKS}), encoding="utf-8")


def environ(server: RehearsalServer) -> dict[str, str]:
    given = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY, "AGENTBATCH_TOOL_MODE": "native"}
    return {**os.environ, **given, "AGENTBATCH_EVALUATOR": "none"}


async def output_of(code: str, folder: Path, server: RehearsalServer) -> list[str]:
    """The lines that an example writes, run as a script of its own."""
    (folder / "example.py").write_text(code, encoding="utf-8")
    process = start_program(folder / "example.py", cwd=folder, env=environ(server))
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (process.returncode, err.decode()) == (0, "")
    return out.decode().splitlines()


async def test_the_first_example(tmp_path: Path, server: RehearsalServer) -> None:
    told = await output_of(BLOCKS[0], tmp_path, server)
    assert any(line.startswith("roman write_file roman.py") for line in told)
    assert re.fullmatch(r"run [\w-]+ finished: 1 completed; .* tokens, –", told[-4])
    assert re.fullmatch(r"roman completed accepted \d+ None \['roman.py'\]", told[-1])
    assert (tmp_path / "work/roman/roman.py").is_file()
    assert (tmp_path / "parallel_batch_results.json").is_file()


async def test_a_script(tmp_path: Path, server: RehearsalServer) -> None:
    task_file(tmp_path)
    told = await output_of(example("sys.exit(result.exit_code)"), tmp_path, server)
    assert re.fullmatch(r"2 of 2 completed, \d+ tokens", told[-1])


@pytest.mark.slow
async def test_a_run_that_takes_too_long_is_resumed(tmp_path: Path) -> None:
    task_file(tmp_path)
    code = example("asyncio.timeout(2)").replace(
        "timeout(2)", "timeout(20)"
    )  # a busy machine has begun by then
    scripts = [script("a", Fault(kind="hang"), writes("a")), script("b", writes("b"))]
    async with RehearsalServer(scripts, any_model=True, key=KEY) as slow:
        assert await output_of(code, tmp_path, slow) == ["interrupted True", "finished {'completed': 2}"]


@pytest.mark.slow
async def test_two_at_once(tmp_path: Path, server: RehearsalServer) -> None:
    for name in ("mine", "yours"):
        task_file(tmp_path / name)
    assert await output_of(example("asyncio.gather").replace(", max_cost=2", ""), tmp_path, server) == ["0 0"]


async def test_a_coder_of_one_s_own(tmp_path: Path, server: RehearsalServer) -> None:
    told = await output_of(example("class Lines"), tmp_path, server)
    assert told == ["completed words.txt has 3 lines. lines"]
    assert (tmp_path / "work/words/words.txt").read_text() == "red\ngreen\nblue\n"


async def test_a_notebook_s_cell(
    tmp_path: Path, server: RehearsalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As IPython runs it, in an event loop that there is."""
    task_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in environ(server).items():
        monkeypatch.setenv(name, value)
    shown: list[str] = []

    class Handle:
        def __init__(self, value: Any, display_id: bool) -> None:
            self.update(value)

        def update(self, value: Any) -> None:
            shown.append(value._repr_html_())

    names: dict[str, Any] = {"display": Handle}
    code = compile(example("display_id"), "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(code, names)
    assert names["result"].exit_code == 0
    assert "finished: 2 completed" in shown[-1]
    assert names["run"]._repr_html_() == shown[-1]


def test_every_example_is_run() -> None:
    words = (
        "events.ToolCalled",
        "sys.exit(result.exit_code)",
        "display_id",
        "asyncio.timeout(2)",
        "class Lines",
        "asyncio.gather",
    )
    assert sorted(map(example, words)) == sorted(BLOCKS)


NAMED = dict(re.findall(r"^\| `(\w+)[^`]*` \| (.+) \|$", PAGE.partition("## Names")[2], re.M))


def test_the_names_are_those_of_the_package() -> None:
    assert {*NAMED, "__version__"} == set(agentbatch.__all__)


@pytest.mark.parametrize("name", ["Batch", "Run", "Progress", "RunResult", "TaskResult"])
def test_what_a_name_is_said_to_have_is_what_it_has(name: str) -> None:
    kind = getattr(agentbatch, name)
    has = {
        *vars(kind),
        *getattr(kind, "__annotations__", ()),
        *re.findall(r"self\.(\w+)(?=[^=\n]* = )", inspect.getsource(kind)),
    }
    words = set(re.findall(r"`\.(\w+)", NAMED[name])) - {"dry_run"}
    public = {one for one in has if not one.startswith("_")} - {"of", "tasks"}
    assert words <= {*has, *dir(kind)}
    if name != "Batch":
        assert public - words - {"model_computed_fields"} == set(), "say it in docs/python.md"
