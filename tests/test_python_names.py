"""What Python users import: type checkers are told what there is, and nothing is loaded before its time."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import agentbatch
from agentbatch.tasks.spec.task import Task
from tests.support.paths import CHECKOUT

PACKAGE = CHECKOUT / "src/agentbatch"
Kind = TypeVar("Kind", bound=ast.AST)


def test_a_task_s_fields_stand_in_the_task_of_python_users() -> None:
    """A field of a task file is written in Python too: add it to `Task.__init__` in api/task.py."""
    (kind,) = _nodes(PACKAGE / "api/task.py", ast.ClassDef)
    (block,) = (node for node in kind.body if isinstance(node, ast.If))
    (init,) = (node for node in block.body if isinstance(node, ast.FunctionDef))
    assert {argument.arg for argument in init.args.kwonlyargs} == set(Task.model_fields)


def test_the_stub_has_the_names_that_are_loaded_late() -> None:
    names = {name.asname for node in _nodes(PACKAGE / "__init__.pyi", ast.ImportFrom) for name in node.names}
    assert {*names, "__version__"} == set(agentbatch.__all__)
    assert all(getattr(agentbatch, name) is not None for name in agentbatch.__all__)
    assert set(agentbatch.__all__) <= set(dir(agentbatch))


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys, agentbatch; print([name for name in sys.modules if name.startswith('agentbatch')])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['agentbatch']"


def _nodes(path: Path, kind: type[Kind]) -> list[Kind]:
    return [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, kind)]
