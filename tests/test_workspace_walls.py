"""What imports cannot show: nothing of the product of tasks touches the disk or starts a process, but for files that
are not of a task's directory, and each of these is named here. A task's directory is behind the Workspace door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import agentbatch

PACKAGE = Path(agentbatch.__file__).parent

ALLOWED = {
    "tasks/agents/resources.py": "agents/ and prompts/ of the project",
    "tasks/agents/starting_files.py": "the files that a new project starts from",
    "tasks/coders/catalog/catalog.py": "agents/coders.toml of the project",
    "tasks/evaluator/programs/call_examples.py": "a program that runs behind the door, by its python3",
    "tasks/evaluator/programs/load_file.py": "a program that runs behind the door, by its python3",
    "tasks/evaluator/programs/program.py": "the source of programs that run behind the door",
    "tasks/evaluator/programs/sound_forms.py": "a program that runs behind the door, by its python3",
    "tasks/imports/harbor.py": "whether a folder is a task of Harbor's",
    "tasks/imports/hidden_files.py": "an archive in memory",
    "tasks/imports/import_tasks.py": "the folder that is made for imported tasks",
    "tasks/results/changes.py": "changes.patch in the run's folder",
    "tasks/results/reading.py": "results files",
    "tasks/results/sources.py": "results files and runs' folders",
    "tasks/results/taken_over.py": "what was kept of an attempt, in the run's folder",
    "tasks/run/beginning/baseline.py": "the baseline document in the run's folder",
    "tasks/run/beginning/beginnings.py": "what baselines have in common, in the run's folder",
    "tasks/run/prepare/own_files.py": "agents/, prompts/, .env, prices and task file of the project",
    "tasks/run/prepare/results_file.py": "the way to the results file",
    "tasks/run/resume/recovery.py": "documents of the run's folder",
    "tasks/spec/task_file.py": "the task file",
}
"""Files that may, and what they read or write there."""

MODULES = frozenset({"subprocess", "shutil", "tempfile", "pty", "glob", "multiprocessing", "mmap"})

_OS = """
open stat lstat listdir scandir walk access remove unlink rename replace mkdir makedirs rmdir removedirs symlink link
readlink chmod chown utime truncate system popen fork forkpty posix_spawn posix_spawnp chdir
"""
OS = frozenset(_OS.split())

_PATH = """
open read_text read_bytes write_text write_bytes iterdir glob rglob walk mkdir rmdir unlink rename touch exists is_file
is_dir is_symlink stat lstat chmod symlink_to hardlink_to readlink samefile
"""
PATH = frozenset(_PATH.split())


def touches(source: str) -> Iterator[str]:
    """What in a module looks at or changes the disk, or starts a process."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                if module.split(".")[0] in MODULES or module == "asyncio.subprocess":
                    yield module
                elif module == "os":
                    yield from (f"os.{name.name}" for name in names if name.name in OS)
                elif module == "asyncio":
                    yield from (name.name for name in names if "subprocess" in name.name)
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in OS or name.startswith(
                ("exec", "spawn")
            ):
                yield f"os.{name}"
            case ast.Attribute(attr="create_subprocess_exec" | "create_subprocess_shell" as name):
                yield name
            case ast.Call(func=ast.Name(id="open")):
                yield "open"
            case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in PATH:
                if not (isinstance(value, ast.Name) and value.id == "os") and not is_door(value, name):
                    yield f".{name}"


def is_door(value: ast.expr, name: str) -> bool:
    """`Workspace.open`: a program starts behind the door; `Gateway.open` opens an account."""
    named = (
        value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
    )
    return name == "open" and named.lstrip("_") in ("workspace", "gateway")


MODULES_OF_TASKS = sorted(path.relative_to(PACKAGE).as_posix() for path in (PACKAGE / "tasks").rglob("*.py"))


@pytest.mark.parametrize("name", MODULES_OF_TASKS)
def test_no_file_of_a_task_is_touched_past_the_door(name: str) -> None:
    found = sorted(set(touches((PACKAGE / name).read_text(encoding="utf-8"))))
    if name in ALLOWED:
        assert found, f"{name} touches nothing: take it off the list"
    else:
        assert found == [], (
            f"{name}: {', '.join(found)}. What is done in a task's directory goes through workspace/workspace.py; "
            "what a run needs to know before it starts lives in workspace/preparation.py."
        )


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess",
        "from subprocess import run",
        "import shutil as s",
        "from asyncio import create_subprocess_exec",
        "import asyncio\nasyncio.create_subprocess_shell('x')",
        "import os\nos.scandir('.')",
        "from os import open",
        "import os\nos.execv('x', [])",
        "open('x')",
        "root.read_text()",
        "(root / 'x').write_bytes(b'')",
    ],
)
def test_each_way_to_the_disk_is_seen(source: str) -> None:
    assert list(touches(source))


def test_what_only_names_a_path_is_no_touch() -> None:
    assert list(touches("import os\nos.path.join(a, b)\nroot / 'x'\nroot.parent.name\nos.environ['A']")) == []


def test_a_program_is_opened_through_the_door() -> None:
    assert list(touches("self._workspace.open(program)\nworkspace.open(program)")) == []
    assert list(touches("path.open()")) == [".open"]
