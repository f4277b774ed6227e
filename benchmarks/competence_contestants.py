"""What benchmarks.competence compares agentbatch with: the bare model and mini-swe-agent; and what all have in common.

Each contestant gets a task, a new folder with an empty directory `work` in it, the server, and the same limits; each
reports its calls and tokens. None sees the hidden tests.
"""

import http.client
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from benchmarks.competence_server import Server
from benchmarks.competence_tasks import Task, kill_group, sandbox_for

STEPS = 15
"""Model steps: of one coder turn of agentbatch (all of a task's turns are reported), of all of mini-swe-agent."""
START_UP = 20
"""Extra seconds for a program to start and to end by itself before it is killed."""

EXCLUDED = ("OPENAI_", "CODER_", "EVALUATION_", "AGENTBATCH_", "MSWEA_", "LITELLM_", "XDG_")
"""Prefixes of the user's variables that would affect the measurement."""


class Outcome(NamedTuple):
    """What a contestant did with a task; tokens are those that the server counted."""

    status: str
    reason: str = ""
    input: int = 0
    cached: int = 0
    """The part of `input` from the server's cache."""
    output: int = 0
    calls: int = 0
    steps: int = 0
    """Calls that worked on the task, without the evaluator's."""
    seconds: float = 0.0
    detail: dict[str, Any] = {}  # noqa: RUF012 - never changed


class Conditions(NamedTuple):
    server: Server
    temperature: float
    seconds: int
    """Wall clock of a task, at most."""
    sandbox: SandboxChoice
    home: Path
    """A folder for caches and settings that lasts for one repetition."""


Contestant = Callable[[Task, Path, Conditions], Outcome]


def bare(task: Task, folder: Path, conditions: Conditions) -> Outcome:
    """One prompt, no tools: the first fenced block of the answer is the file."""
    request = f"{task.prompt.strip()}\n\nReply with the whole of {task.file} in one fenced code block."
    body = {
        "model": conditions.server.model,
        "messages": [{"role": "user", "content": request}],
        "temperature": conditions.temperature,
    }
    post = urllib.request.Request(
        f"{conditions.server.url}/chat/completions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {conditions.server.key}", "Content-Type": "application/json"},
    )
    began = time.monotonic()
    try:
        with urllib.request.urlopen(post, timeout=conditions.seconds) as reply:
            answer = json.load(reply)
    except TimeoutError:
        return Outcome("timeout", seconds=time.monotonic() - began, calls=1)
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError) as error:
        return Outcome("error", str(error), seconds=time.monotonic() - began, calls=1)
    seconds = time.monotonic() - began
    (folder / "answer.json").write_text(json.dumps(answer, indent=1), encoding="utf-8")
    text = answer["choices"][0]["message"]["content"] or ""
    block = re.search(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    if block:
        (folder / "work" / task.file).write_text(block[1], encoding="utf-8")
    outcome = Outcome("answered" if block else "no block", steps=1, calls=1, seconds=seconds)
    return _with_tokens(outcome, [answer.get("usage")])


def mini(task: Task, folder: Path, conditions: Conditions, python: Path) -> Outcome:
    """mini-swe-agent with its text-based configuration; `python`: of the environment that it is installed in."""
    trajectory = folder / "traj.json"
    server = conditions.server
    options: dict[str, Any] = {
        "agent.step_limit": STEPS,
        "agent.wall_time_limit_seconds": conditions.seconds,
        "agent.cost_limit": 0,
        "model.model_class": "litellm_textbased",
        "model.model_kwargs.api_base": server.url,
        "model.model_kwargs.temperature": conditions.temperature,
        "environment.cwd": str(folder / "work"),
    }
    command = [str(python), "-m", "minisweagent.run.mini", "--yolo", "--exit-immediately"]
    command += [
        "-m",
        f"openai/{server.model}",
        "-t",
        task.prompt,
        "-o",
        str(trajectory),
        "-c",
        "mini_textbased.yaml",
    ]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    variables = {
        "OPENAI_API_KEY": server.key,
        "MSWEA_CONFIGURED": "true",
        "MSWEA_COST_TRACKING": "ignore_errors",
        "MSWEA_GLOBAL_CONFIG_DIR": str(folder),
        "MSWEA_SILENT_STARTUP": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    installed = [python.parent.parent.resolve(), python.resolve().parent.parent]
    sandbox = sandbox_for(conditions.sandbox, folder.resolve(), network=True, readable=installed)
    began = time.monotonic()
    with sandbox.wrap(command, variables) as (command, variables, handles):
        code = run(command, folder, conditions, variables, folder / "mini.log", passed=handles)
    seconds = time.monotonic() - began
    if not trajectory.is_file():
        return Outcome("crashed", end_of(folder / "mini.log", code), seconds=seconds)
    document = json.loads(trajectory.read_text(encoding="utf-8"))
    status = document["info"]["exit_status"] or ("timeout" if code is None else "crashed")
    replies = [message.get("extra", {}).get("response") for message in document["messages"]]
    usages = [reply.get("usage") for reply in replies if isinstance(reply, dict)]
    calls = document["info"]["model_stats"]["api_calls"]
    return _with_tokens(Outcome(status, calls=calls, steps=calls, seconds=seconds), usages)


def _environment(conditions: Conditions, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables for a contestant: ours without those that would configure it, and its own folders."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(EXCLUDED)}
    own = {
        f"XDG_{name}_HOME": str(conditions.home / name.lower())
        for name in ("CACHE", "CONFIG", "DATA", "STATE")
    }
    return {**kept, **own, **variables}


def run(
    command: Sequence[str],
    folder: Path,
    conditions: Conditions,
    variables: Mapping[str, str],
    log: Path,
    seconds: float | None = None,
    passed: Sequence[int] = (),
) -> int | None:
    """Run to the end, at most `seconds` (the task's time) and START_UP; the exit code, or None when it had to be
    killed. `passed`: handles that it keeps."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(conditions, variables),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=passed,
        )
        try:
            return process.wait(timeout=(seconds or conditions.seconds) + START_UP)
        except subprocess.TimeoutExpired:
            return None
        finally:
            kill_group(process)


def end_of(log: Path, code: int | None) -> str:
    """How a program ended, and the last line that it wrote."""
    how = "it did not end" if code is None else f"exit code {code}"
    last_line = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    return f"{how}: {''.join(last_line)[:300]}"


def _with_tokens(outcome: Outcome, usages: Sequence[Any]) -> Outcome:
    """With the sum of what an OpenAI server reported call by call."""
    found = [usage for usage in usages if isinstance(usage, dict)]
    cached = [(usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0 for usage in found]
    return outcome._replace(
        input=sum(usage.get("prompt_tokens") or 0 for usage in found),
        cached=sum(cached),
        output=sum(usage.get("completion_tokens") or 0 for usage in found),
    )
