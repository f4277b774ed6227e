"""Bad input gets one sentence on stderr, exit code 2, and nothing is written."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GOOD = {"tasks": [{"id": "a", "dir": "a", "first_prompt": "x"}]}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def check(agentbatch: Any, folder: Path, arguments: list[str], message: str, **variables: str) -> None:
    before = snapshot(folder)
    done = agentbatch(*arguments, **variables)
    assert done.returncode == 2, done
    assert message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no task file"),
        (b"", "is empty"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b'{"tasks": [}', "not valid JSON at line 1, column 12"),
        (b'{"tasks": [{"first_prompt": 3}]}', "tasks[0].first_prompt: must be text"),
        (b'{"tasks": [{"first_prompt": "x", "drr": "y"}]}', "did you mean 'dir'?"),
        (
            b'{"tasks": [{"first_prompt": "x", "id": "a"}, {"first_prompt": "y", "id": "a"}]}',
            "already that of tasks[0]",
        ),
        (b'{"tasks": []}', "there are no tasks"),
        (b'{"tasks": [{"first_prompt": "x", "dir": "task.json/sub"}]}', "cannot be made"),
        (b'{"tasks": [{"first_prompt": "x", "dir": "/proc/nothing/here"}]}', "/proc"),
    ],
)
def test_task_files(agentbatch: Any, folder: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (folder / "task.json").write_bytes(content)
    check(agentbatch, folder, ["--parallel"], message)


@pytest.mark.slow
def test_a_directory_that_the_locale_cannot_name(folder: Path) -> None:
    (folder / "task.json").write_text('{"tasks": [{"id": "a", "dir": "größe/b", "first_prompt": "x"}]}')
    done = subprocess.run(
        [sys.executable, "-m", "agentbatch", "--dry-run"],
        cwd=folder,
        env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        "cannot be named in this locale (ascii). Set LC_ALL=C.UTF-8 or PYTHONUTF8=1.\n"
    )


def test_a_folder_as_task_file(agentbatch: Any, folder: Path) -> None:
    check(agentbatch, folder, ["-t", ".", "--serial"], "is a folder")


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--parallel", "0"], {}, "--parallel: must be 1 or more, not '0'"),
        (["--parallel", "-1"], {}, "--parallel"),
        (["--parallel", "x"], {}, "--parallel: must be a whole number, not 'x'"),
        ([], {"AGENTBATCH_PARALLEL": "none"}, "AGENTBATCH_PARALLEL: must be a whole number"),
        (["--compare-models", "gpt-4o,gpt-44o"], {}, "no price is known for 'gpt-44o'; did you mean"),
        (["--coder-endpoint", "localhost:80"], {}, "--coder-endpoint: must be a URL"),
        ([], {"CODER_API_KEY": "sk-12345678"}, "No API key for the evaluator"),
        ([], {"EVALUATION_API_KEY": "sk-12345678"}, "No API key for the coder"),
        (["--output", "."], {}, "is a folder; name a file"),
        (["--output", "-"], {}, "cannot be standard output"),
        (["--output", "/proc/x.json"], {}, "cannot be written"),
        (["--filter", "zzz"], {}, "matches no task"),
        (["--filter", "("], {}, "not a regular expression"),
        (["--env-file", "none.env"], {}, "there is no file"),
        (["--prices", "none.toml"], {}, "There is no price file"),
        (["--serial", "--test"], {}, "--test: cannot be given together with --serial."),
        (["--max-iteration", "3"], {}, "no option --max-iteration; did you mean --max-iterations?"),
        (["frobnicate"], {}, "frobnicate"),
    ],
)
def test_flags_and_variables(
    agentbatch: Any, folder: Path, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    (folder / "task.json").write_text(json.dumps(GOOD), encoding="utf-8")
    check(agentbatch, folder, arguments, message, **variables)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("prompts/coder.md", "Hello {{ workdri }}", "'workdri' is not defined here; did you mean 'workdir'?"),
        ("prompts/coder.md", "Hello\n{% if %}", "coder.md: line 2"),
        ("prompts/safety.md", b"\xff", "cannot be read as UTF-8"),
        ("agents/coder.toml", 'tools = ["bash", "finish", "raed_file"]', "raed_file"),
        ("agents/coder.toml", 'tools = ["bash"]', "'finish' is missing"),
        ("agents/coder.toml", "tools = [", "not valid TOML"),
        ("agents/coder.toml", "[limits]\nstep = 3", "did you mean 'steps'?"),
        ("agents/coder.toml", 'prompt = "none.md"', "There is no prompts/none.md"),
        ("agents/coder.toml", 'prompt = "../x.md"', "directly in prompts/"),
        ("agents/evaluator.toml", 'tools = ["bash"]', "tools"),
        ("prices.toml", "[models.x]\ninput = -1\noutput = 1", "prices.toml"),
    ],
)
def test_agents_prompts_and_prices(
    agentbatch: Any, folder: Path, name: str, content: str | bytes, message: str
) -> None:
    (folder / "task.json").write_text(json.dumps(GOOD), encoding="utf-8")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    check(agentbatch, folder, ["--parallel"], message)
