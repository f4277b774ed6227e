"""Harbor's task folders as tasks (harbor/models/task: config.py, paths.py; schema 1.4): instruction.md is the prompt,
tests/test.sh, run in the end, says whether it is solved. `solution/` is not read."""

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentbatch.problems import first_problem
from agentbatch.tasks.agents.definition import EvaluatorLimits
from agentbatch.tasks.imports.dockerfile import WORKDIR, Build, absolute, read_dockerfile
from agentbatch.tasks.imports.hidden_files import HiddenFile, unpack_commands
from agentbatch.tasks.imports.imported import CannotImport, Imported, entry
from agentbatch.text import clip, list_names
from agentbatch.workspace.starting.folder import copy_files, read_file, regular_files

MAX_TEXT = 1024 * 1024
"""Bytes of instruction.md, task.toml and Dockerfile."""
MAX_TESTS = 64 * 1024 * 1024
"""Bytes of tests/."""
HIDDEN = ".agentbatch-hidden"
ROOT = "__AGENTBATCH_ROOT__"
"""Stands in test files for the directory that they run in, until they do."""


_ONE = r"[[:space:]]*1(\.0*)?[[:space:]]*"
_HERE = """\
here=$PWD
case $here in *[!A-Za-z0-9_./-]*) here=$(TMPDIR=/tmp mktemp -d)/here && ln -s "$PWD" "$here";; esac"""
_HERE_NO_MORE = '[ "$here" = "$PWD" ] || rm -r "${here%/*}"'
"""Scripts for containers do not quote their paths: where ours has a space in it, it gets a second name."""
_ALL_ONE = """\
import json
found = json.load(open("reward.json")).values()
raise SystemExit(not found or any(one != 1 for one in found))"""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Agent(_Table):
    timeout_sec: float | None = Field(None, gt=0)


class _Verifier(_Table):
    timeout_sec: float | None = None
    env: dict[str, str] = {}


class _Environment(_Table):
    docker_image: str | None = None
    workdir: str | None = None
    env: dict[str, str] = {}
    mcp_servers: list[Any] = []


class TaskToml(_Table):
    """task.toml, as far as it is used."""

    agent: _Agent = _Agent()
    verifier: _Verifier = _Verifier()
    environment: _Environment = _Environment()
    steps: list[Any] = []


def is_harbor_task(folder: Path) -> bool:
    return any(True for one in ("task.toml", "instruction.md", "task.yaml") if (folder / one).is_file())


def harbor_task(folder: Path, rewrite_paths: bool) -> Imported:
    """Raises CannotImport, UserError, OSError."""
    if folder.is_symlink():
        raise CannotImport("it is a link.")
    files = {one.path: one for one in regular_files(folder)}
    prompt, config = _text(folder, "instruction.md", files), read_toml(_text(folder, "task.toml", files))
    if "tests/test.sh" not in files:
        raise CannotImport("it has no tests/test.sh.")
    if sum(one.size for path, one in files.items() if path.startswith("tests/")) > MAX_TESTS:
        raise CannotImport(f"its tests take more than {MAX_TESTS // 2**20} MB.")
    given = [path.removeprefix("environment/") for path in files if path.startswith("environment/")]
    build = _build(folder, given, config)
    prompt = prompt_here(prompt, build.workdir, rewrite_paths)
    tests = {
        path: HiddenFile(relocated(read_file(folder, path, MAX_TESTS), build.workdir), one.executable)
        for path, one in files.items()
        if path.startswith("tests/")
    }
    hidden = verify_commands(tests, config.verifier.env)
    made = entry(folder.name, prompt, hidden, timeout=config.agent.timeout_sec, env=config.environment.env)
    make = partial(copy_files, folder / "environment", build.copies)
    return Imported(made, make, tuple(_notes(config, build)))


def _text(folder: Path, path: str, files: Mapping[str, Any]) -> str:
    if path not in files:
        old = (
            " It is a task of the first terminal-bench; Harbor converts those."
            if "task.yaml" in files
            else ""
        )
        raise CannotImport(f"it has no {path}.{old}")
    try:
        return read_file(folder, path, MAX_TEXT).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CannotImport(f"{path} is not UTF-8 text.") from None


def read_toml(text: str) -> TaskToml:
    """Raises CannotImport, also for what a task asks for that is not there."""
    try:
        config = TaskToml.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CannotImport(f"task.toml: {clip(str(error), 200)}.") from None
    except RecursionError:
        raise CannotImport("task.toml: nested too deeply.") from None
    except ValidationError as error:
        problem = first_problem(error)
        raise CannotImport(f"task.toml: {problem.name} {problem.message}.") from None
    if config.steps:
        raise CannotImport("it has several steps, each with a prompt; a task here has one.")
    if config.environment.mcp_servers:
        raise CannotImport("it needs MCP servers.")
    for name, value in (*config.environment.env.items(), *config.verifier.env.items()):
        if "${" in value:
            raise CannotImport(f"its variable {name} is taken from the environment ({clip(value, 40)}).")
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
            raise CannotImport(f"{clip(name, 40)!r} is not a name for an environment variable.")
    return config


def _build(folder: Path, given: Sequence[str], config: TaskToml) -> Build:
    if any(re.fullmatch(r"(docker-)?compose\.ya?ml|docker-compose.*\.ya?ml", path) for path in given):
        raise CannotImport("it needs several containers (docker-compose).")
    workdir = config.environment.workdir or ""
    if "Dockerfile" not in given:
        return Build(absolute(workdir or WORKDIR), tuple((path, path) for path in given), ())
    text = read_file(folder / "environment", "Dockerfile", MAX_TEXT).decode("utf-8", "replace")
    return read_dockerfile(text, given, workdir)


def _notes(config: TaskToml, build: Build) -> Iterator[str]:
    if build.left_out:
        yield f"its container is not built: {list_names(build.left_out, 6)} of its Dockerfile left out."
    if config.environment.docker_image:
        yield f"its image {clip(config.environment.docker_image, 100)} is not used."
    usual = EvaluatorLimits().verify_timeout
    if (config.verifier.timeout_sec or 0) > usual:
        yield (
            f"its tests may take {config.verifier.timeout_sec:g} s there; here {usual:g} s, unless verify_timeout in "
            "agents/evaluator.toml says more."
        )


def _absolute(*places: str) -> re.Pattern[str]:
    """One of the paths where it is no part of a longer name or path."""
    names = "|".join(re.escape(place) for place in places)
    return re.compile(rf"(?<![\w./~)}}-])({names})(?![\w-]|\.\w)")


def prompt_here(prompt: str, workdir: str, rewrite: bool) -> str:
    """The prompt, in which paths of the container are relative where `rewrite`. Raises CannotImport where they are
    named and stay."""
    if workdir == "/":
        return prompt
    found = _absolute(workdir).search(prompt)
    if found is None:
        return prompt
    if not rewrite:
        raise CannotImport(
            f"its prompt names {workdir}, which only its container has: --rewrite-paths makes that its directory."
        )
    inner = re.compile(rf"{_absolute(workdir).pattern}/+(?=[\w.])")
    return re.sub(r"\./+", "./", _absolute(workdir).sub("./", inner.sub("", prompt)))


def relocated(content: bytes, workdir: str) -> bytes:
    """A test file, in which the container's places are those of here, as far as it is text: /tests, /logs and the
    working directory."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return content
    text = _absolute("/tests", "/logs").sub(rf"{ROOT}/{HIDDEN}\1", text)
    return (text if workdir == "/" else _absolute(workdir).sub(ROOT, text)).encode()


def verify_commands(tests: Mapping[str, HiddenFile], env: Mapping[str, str]) -> tuple[str, ...]:
    """Lay the tests down in a folder of their own, run test.sh, and look at the reward that it has written: solved is 1
    (reward.txt), or 1 in all of reward.json."""
    given = "".join(f"{name}={shlex.quote(value)} " for name, value in env.items())
    return (
        f"rm -rf {HIDDEN} && mkdir -p {HIDDEN}/logs/verifier",
        *unpack_commands(tests, HIDDEN),
        f'{_HERE}; grep -rlZF {ROOT} {HIDDEN}/tests | xargs -0 -r sed -i "s#{ROOT}#$here#g"; '
        f'{given}TEST_DIR="$here/{HIDDEN}/tests" bash {HIDDEN}/tests/test.sh; {_HERE_NO_MORE}',
        f"cd {HIDDEN}/logs/verifier && if [ -e reward.txt ]; then grep -qxE '{_ONE}' reward.txt; "
        f"else python3 -c {shlex.quote(_ALL_ONE)}; fi",
    )
