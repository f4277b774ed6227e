"""agentbatch as a contestant of benchmarks.competence: with a user's `verify` or without, and without parts of it."""

import json
import re
import shlex
import shutil
import sys
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from agentbatch.errors import UserError
from agentbatch.model.capabilities import TOOL_MODES
from agentbatch.toolcalls.remembered import ToolModeMemory
from benchmarks.competence_contestants import STEPS, Conditions, Outcome, end_of, run
from benchmarks.competence_tasks import Task
from benchmarks.purposes import Spent, spent_by_purpose

OTHER_TEMPERATURE = 0.8
"""That of CodeT's samples."""
ITERATIONS = 3
"""Coder turns of a task."""
PROBE_SECONDS = 900
"""Of the probe of the tool mode, at most."""
AGENTS = Path(__file__).parents[1] / "agents"
AGENTBATCH = ("-m", "agentbatch")
WITHOUT = Path(__file__).with_name("competence_without.py")


class Setting(NamedTuple):
    """One line of agents/evaluator.toml."""

    table: str
    key: str
    value: bool | int


PARTS = {
    "facts": Setting("checks", "discover", False),
    "own": Setting("limits", "checks", 0),
    "hands": Setting("limits", "steps", 0),
}
"""What can be taken out of the evaluator by a setting: the checks that need no model, those that its model writes, the
commands that it runs while it judges."""
TAKEN_OUT = ("sound", "example", "tests", "grounded")
"""What has no setting of its own: single ones of the facts, and what a verdict must stand on. competence_without.py
takes them out."""


def chosen_parts(words: str) -> tuple[str, ...]:
    """The parts that `--without words` takes out, in the table's order. Raises UserError for an unknown one."""
    named = {word.strip() for word in words.split(",")}
    if unknown := sorted(named - {*PARTS, *TAKEN_OUT, "all"}):
        known = ", ".join((*PARTS, *TAKEN_OUT))
        raise UserError(f"--without: there is no part {unknown[0]!r}; they are {known} and all.")
    if "all" in named:
        named |= {*PARTS, "grounded"}
    return tuple(part for part in (*PARTS, *TAKEN_OUT) if part in named)


@dataclass(frozen=True)
class Agentbatch:
    """The command, on a batch of one task, both roles on the server; see `Contestant`."""

    verify: bool
    """The user's check goes with the task."""
    without: tuple[str, ...] = ()
    """Of PARTS and TAKEN_OUT."""
    attempts: int = 1
    """The first as it is without attempts, the others at OTHER_TEMPERATURE; all come to their end."""

    def __call__(self, task: Task, folder: Path, conditions: Conditions) -> Outcome:
        entry: dict[str, Any] = {"id": task.name, "dir": "work", "first_prompt": task.prompt}
        if self.verify:
            entry["verify"] = task.verify_command
        if self.attempts > 1:
            others = [{"temperature": OTHER_TEMPERATURE}] * (self.attempts - 1)
            entry |= {"attempts": [{}, *others], "stop_at": "all", "hidden_verify": hidden_command(task)}
        (folder / "task.json").write_text(json.dumps({"tasks": [entry]}, indent=1), encoding="utf-8")
        copy_agents(folder / "agents", conditions, self.without)
        server, log = conditions.server, folder / "agentbatch.log"
        taken_out = [part for part in self.without if part in TAKEN_OUT]
        command = [sys.executable, *(["-P", str(WITHOUT), ",".join(taken_out)] if taken_out else AGENTBATCH)]
        command += ["--serial", "--json", "--output", "results.json"]
        command += ["--max-iterations", str(ITERATIONS), "--timeout", str(conditions.seconds)]
        command += model_flags(conditions)
        began = time.monotonic()
        code = run(command, folder, conditions, {"OPENAI_API_KEY": server.key}, log)
        seconds = time.monotonic() - began
        results = folder / "results.json"
        if not results.is_file():
            return Outcome("crashed", end_of(log, code), seconds=seconds)
        result = json.loads(results.read_text(encoding="utf-8"))["results"][0]["result"]
        return outcome_of(result, spent_by_purpose(folder).get(task.name, {}))._replace(seconds=seconds)


def hidden_command(task: Task) -> str:
    """The hidden tests as a command, for what was chosen among attempts."""
    return f"python3 -c {shlex.quote(task.hidden)}"


def model_flags(conditions: Conditions) -> list[str]:
    """Both roles on the server."""
    server = conditions.server
    flags = [
        (f"--{role}-model", server.model, f"--{role}-endpoint", server.url) for role in ("coder", "evaluator")
    ]
    return [word for words in flags for word in words]


def settle_tool_mode(known: str, folder: Path, conditions: Conditions) -> str:
    """How the model calls tools, as later runs remember it: known already, or what `agentbatch doctor` finds out for
    about 2,000 tokens, which are no task's. Raises UserError when it does not."""
    server, memory = conditions.server, conditions.home / "cache" / "agentbatch" / "tool-modes.json"
    if known in TOOL_MODES:
        memory.parent.mkdir(parents=True, exist_ok=True)
        ToolModeMemory(memory).put(server.url, server.model, known, "as before")
        return known
    log = folder / "doctor.log"
    command = [sys.executable, *AGENTBATCH, "doctor", *model_flags(conditions)]
    code = run(command, folder, conditions, {"OPENAI_API_KEY": server.key}, log, PROBE_SECONDS)
    found = ToolModeMemory(memory).get(server.url, server.model)
    if found is None:
        raise UserError(f"agentbatch doctor did not find out how the model calls tools: {end_of(log, code)}")
    return found.mode


def outcome_of(result: dict[str, Any], spent: Mapping[str, Spent]) -> Outcome:
    """What results.json says of the task; `spent` by what for."""
    stats = result["tokenStats"]
    return Outcome(
        result["status"],
        f"{result['reason']}: {result['error']}" if result.get("error") else result["reason"],
        input=stats["promptTokens"],
        cached=stats["cachedTokens"],
        output=stats["completionTokens"],
        calls=stats["calls"],
        steps=result["steps"],
        detail={
            "iterations": result["iterations"],
            "estimated": stats["estimated"],
            "spent": spent,
            **({"choice": result["choice"]} if result.get("choice") else {}),
            "evaluations": [_evaluation(verdict) for verdict in result["verdicts"]],
        },
    )


def _evaluation(verdict: dict[str, Any]) -> dict[str, Any]:
    """One evaluation in short: who decided, and the kinds of checks that passed and failed, each as often as it did."""
    checks = verdict.get("checks", [])
    return {
        "accepted": verdict["accepted"],
        "by": verdict["decided_by"],
        "passed": [check["kind"] for check in checks if check["passed"]],
        "failed": [check["kind"] for check in checks if not check["passed"]],
        "why": [refusal[:200] for refusal in verdict["refusals"]],
    }


def copy_agents(agents: Path, conditions: Conditions, without: Iterable[str] = ()) -> None:
    """Our agents/ as `agents`, with the limits and the model's parameters of this measurement."""
    shutil.copytree(AGENTS, agents)
    parameters = f"temperature = {conditions.temperature}\ncontext_window = {conditions.server.context}\n"
    for path in agents.glob("*.toml"):
        text = re.sub(
            r"^(temperature|context_window) *=.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE
        )
        text = re.sub(r"^\[model\]\n", lambda found: found[0] + parameters, text, flags=re.MULTILINE)
        if path.stem == "coder":
            text = changed(text, [Setting("limits", "steps", STEPS)])
        if path.stem == "evaluator":
            text = changed(text, [PARTS[part] for part in without if part in PARTS])
        path.write_text(text, encoding="utf-8")
        if tomllib.loads(text)["model"].get("temperature") != conditions.temperature:
            raise RuntimeError(f"{path}: the temperature could not be set")


def changed(text: str, settings: Sequence[Setting]) -> str:
    """A definition with other values. Raises RuntimeError where one could not be set."""
    for setting in settings:
        line = f"{setting.key} = {json.dumps(setting.value)}"  # true and false are the same in TOML
        text = re.sub(rf"^{setting.key} *=.*$", line, text, flags=re.MULTILINE)
    values = tomllib.loads(text)
    for setting in settings:
        if values.get(setting.table, {}).get(setting.key) != setting.value:
            raise RuntimeError(f"{setting.key} could not be set in [{setting.table}]")
    return text
