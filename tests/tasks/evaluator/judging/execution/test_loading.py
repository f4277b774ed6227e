"""What nobody has run is loaded: real interpreters, in this process's directory instead of a workspace."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from agentbatch.redaction import Redactor
from agentbatch.tasks.evaluator.checks.check import CheckRunner
from agentbatch.tasks.evaluator.judging.execution.loading import OURS, load, loading
from agentbatch.workspace.workspace import CommandResult


@pytest.mark.parametrize(
    ("files", "loads"),
    [
        ({"a.py": "import b\nprint(b.X)\n", "b.py": "X = 1\n"}, True),
        ({"a.py": "def f(:\n"}, False),
        ({"a.py": "import nothing_like_it\n"}, True),
        ({"a.py": "from b import y\n", "b.py": "X = 1\n"}, False),
        ({"a.py": "import b.c\n", "b.py": "X = 1\n"}, False),
        ({"a.py": "from math import nothing_like_it\n"}, False),
        ({"a.py": "open('no such file')\n"}, True),
        ({"a.py": "import os\nos.environ['NOTHING_LIKE_IT']\n"}, True),
        ({"app/a.py": "import app.b\nimport c\n", "app/b.py": "", "src/c.py": ""}, True),
        ({"a.py": "import subprocess\nsubprocess.run('false', check=True)\n"}, True),
        ({"a.py": "import sys\ndef f(a):\n    return a[1]\nf(sys.argv)\n"}, True),
        ({"a.py": "class E(Exception): ...\nraise E\n"}, False),
        ({"a.py": "import b\nraise b.E\n", "b.py": "class E(Exception): ...\n"}, False),
        ({"a.py": "print(undefined)\n"}, False),
        ({"a.py": "import sys\nn = int(sys.argv[1])\n"}, True),
        ({"a.py": "n = int(input())\nname = input()\n"}, True),
        ({"a.py": "raise SystemExit(2)\n"}, True),
        ({"a.py": "raise SystemExit(3)\n"}, False),
        ({"a.py": "import os\nos._exit(127)\n"}, False),
        ({"a.py": "print(undefined_argv)\n"}, False),
        ({"a.py": "import sys\nif len(sys.argv) < 2:\n    sys.exit('usage')\n"}, True),
        ({"a.py": "1 / 0\n"}, False),
        ({"a.py": "if __name__ == '__main__':\n    1 / 0\n"}, True),
        ({"pkg/a.py": "from . import b\n", "pkg/b.py": "X = 1\n"}, True),
        ({"test_a.py": "import nothing_like_it\n"}, True),
        ({"test_a.py": "def f(:\n"}, False),
        ({"odd name'.py": "X = 1\n", "-x.py": "X = 1\n"}, True),
        ({"a.sh": "if true; then echo; fi\n"}, True),
        ({"a.sh": "if true; then echo\n"}, False),
        ({"run": "#!/usr/bin/env python3\ndef f(:\n"}, False),
        ({"run": "#!/bin/sh\nif true; then echo\n"}, False),
    ],
)
def test_what_loads(tmp_path: Path, files: dict[str, str], loads: bool) -> None:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert all(not executed(tmp_path, path).exit_code for path in files) is loads
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not there")
def test_javascript_is_parsed(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("function f( {\n")
    assert executed(tmp_path, "a.js").exit_code


def executed(folder: Path, path: str) -> CommandResult:
    done = subprocess.run(
        ["bash", "-c", loading(path)], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return CommandResult(done.returncode, done.stdout + done.stderr, False, False, 0.1, "")


def test_where_there_is_no_interpreter_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1 / 0\n")
    command = f"PATH=/nowhere; {loading('a.py')}"
    done = subprocess.run(["/bin/bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{OURS}there is no interpreter for it here\n")


class Place(CheckRunner):
    """Endings by what is loaded, without a process."""

    def __init__(self, endings: Sequence[tuple[int | None, str]]) -> None:
        super().__init__("t", lambda _: None, Redactor([]), cast(Any, self))
        self.endings = [*endings]

    async def fork(self) -> "Place":
        return self

    async def close(self) -> None: ...

    async def execute(self, command: str, timeout: float, fork: Any = None) -> CommandResult:
        code, output = self.endings.pop(0)
        return CommandResult(code, output, code is None, False, 4.0, "")


@pytest.mark.parametrize(
    ("endings", "files", "task", "code", "tail", "untold", "left"),
    [
        ([(0, "8")], ["a.py"], "t", 0, "8", False, 0),
        ([(0, "")], ["a.sh"], "t", 0, "load: a.sh was parsed.", False, 0),
        ([(0, "")], ["test_a.py"], "t", 0, "load: test_a.py was parsed.", True, 0),
        ([(0, "load: no")], ["a.py"], "t", 0, "load: no", True, 0),
        ([(None, "")], ["a.py"], "t", 0, "load: a.py was still running after 5 s.", True, 0),
        ([(None, "")], ["a.py"], "Write a server.", 0, "load: a.py was still running after 5 s.", False, 0),
        (
            [(None, ""), (1, "no")],
            ["a.py", "b.py"],
            "t",
            1,
            "load: a.py was still running after 5 s.\nno",
            True,
            0,
        ),
        ([(127, "")], ["a.py", "b.py"], "t", 127, "", False, 0),
        ([(0, "")] * 8, [f"{n}.py" for n in range(30)], "t", 0, "", False, 22),
    ],
)
async def test_what_became_of_them(
    endings: list[tuple[int | None, str]],
    files: list[str],
    task: str,
    code: int,
    tail: str,
    untold: bool,
    left: int,
) -> None:
    place = Place(endings)
    found = await load(files, place, task)
    assert found is not None
    assert not place.endings
    assert (found.result.exit_code, found.result.tail) == (code, tail)
    assert (found.untold, len(found.left)) == (untold, left)
    assert found.result.command == f"load {', '.join(files[: len(endings)])}"
