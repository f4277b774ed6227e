"""The sample tasks, played over real HTTP by a small coder loop: their tools run, verify really judges."""

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import BaseModel, ConfigDict, Field

from agentbatch.config import REHEARSAL_CODER, REHEARSAL_EVALUATOR
from agentbatch.rehearsal.library import sample_scripts
from agentbatch.rehearsal.script import Say
from agentbatch.rehearsal.server import RehearsalServer
from tests.support.paths import CHECKOUT, SEARCHED

TASK_FILE = CHECKOUT / "task.json"
TASKS: dict[str, dict[str, str]] = {
    task["id"]: task for task in json.loads(TASK_FILE.read_text(encoding="utf-8"))["tasks"]
}
TOOL_NAMES = ("bash", "read_file", "write_file", "edit_file", "finish")
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in TOOL_NAMES
]
HANZI = re.compile("[\u4e00-\u9fff]")

QUICK = ("roman", "json-to-markdown")
"""Those with something of their own: a failed check, a call that fails. All ten run as a batch in
tests/e2e/test_sample_batch.py."""

EXPECTED_ITERATIONS = {
    "roman": 2,
    "sales-report": 2,
    "word-count": 2,
    "score-stats": 2,
    "character-frequency": 2,
}
"""Tasks that take more than one iteration."""

FAILED_CALLS = {"json-to-markdown": [("bash", False)], "primes": [("edit_file", False)]}
"""Calls that go wrong on purpose; the coder reacts to them."""

RUNS: dict[str, dict[str, tuple[list[str], str]]] = {
    "fizzbuzz": {"fizzbuzz.py": (["15"], "14\nFizzBuzz\n"), "test_fizzbuzz.py": ([], "")},
    "roman": {"roman.py": ([], "")},
    "sales-report": {"sales_report.py": ([], "report.md is written")},
    "word-count": {"wordcount.py": (["in.json", "--top", "1"], "     1  a\n")},
    "score-stats": {"stats.py": ([], "数学：5 人，平均 77.2，最高 100，最低 58，及格率 80%")},
    "json-to-markdown": {"json2md.py": (["in.json"], r"| x \| y |"), "test_json2md.py": ([], "")},
    "web-page": {"build.py": ([], "5 books")},
    "primes": {"primes.py": (["10000000"], "664579 primes, the largest is 9999991")},
    "character-frequency": {"freq.py": (["poem.txt", "1"], "清 3\n"), "test_freq.py": ([], "")},
    "log-report": {"make_log.py": ([], ""), "analyse.py": ([], "490 requests, 10 lines skipped")},
}
"""How each program that a task leaves is run, and what it prints."""


class Requirement(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    text: str = Field(min_length=1)
    met: bool
    evidence: str = Field(min_length=1)


class Verdict(BaseModel):
    """The verdict that DESIGN.md asks for."""

    model_config = ConfigDict(strict=True, extra="forbid")
    requirements: list[Requirement] = Field(min_length=1)
    missing: list[str]
    complete: bool
    blocked: bool
    score: float = Field(ge=0, le=1)
    follow_up_prompt: str

    @property
    def accepted(self) -> bool:
        return (
            self.complete and not self.blocked and not self.missing and all(r.met for r in self.requirements)
        )


@dataclass
class Played:
    """What happened while a task was played."""

    verdicts: list[Verdict] = field(default_factory=list)
    verify_exits: list[int] = field(default_factory=list)
    turns_ended_by_text: int = 0
    calls: list[tuple[str, bool]] = field(default_factory=list)
    """Tool and success, in order."""


def shell(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env={**os.environ, "PATH": SEARCHED}, capture_output=True,
        encoding="utf-8", stdin=subprocess.DEVNULL,
    )  # fmt: skip


def run_tool(folder: Path, name: str, arguments: dict[str, Any]) -> tuple[bool, str]:
    """The five tools in their simplest form."""
    if name == "bash":
        result = shell(folder, **arguments)
        return result.returncode == 0, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    if name == "finish":
        return True, str(arguments["summary"])
    path = folder / arguments["path"]
    assert path.resolve().is_relative_to(folder.resolve())
    if name == "write_file":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(arguments["content"], encoding="utf-8")
        return True, "written"
    text = path.read_text(encoding="utf-8")
    if name == "read_file":
        start = arguments.get("offset", 1) - 1
        return True, "\n".join(text.splitlines()[start : start + arguments.get("limit", 2000)])
    assert name == "edit_file"
    if text.count(arguments["old_string"]) != 1:
        return False, f"{text.count(arguments['old_string'])} matches"
    path.write_text(text.replace(arguments["old_string"], arguments["new_string"]), encoding="utf-8")
    return True, "edited"


class Player:
    """Plays one task: coder turns, verify and verdicts, until it is accepted."""

    def __init__(
        self, session: aiohttp.ClientSession, base_url: str, task: dict[str, str], folder: Path
    ) -> None:
        self.session, self.base_url, self.task, self.folder = session, base_url, task, folder
        self.history: list[dict[str, Any]] = [{"role": "system", "content": "You are a coder."}]
        self.played = Played()

    async def ask(self, model: str, messages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        body = {"model": model, "messages": messages, **more}
        async with self.session.post(f"{self.base_url}/chat/completions", json=body) as answer:
            data = await answer.json()
            assert answer.status == 200, data
        assert data["usage"]["prompt_tokens"] > 0
        message: dict[str, Any] = data["choices"][0]["message"]
        return message

    async def play(self) -> Played:
        prompt = self.task["first_prompt"]
        for iteration in range(1, 11):
            await self.turn(prompt)
            if "verify" in self.task:
                self.played.verify_exits.append(shell(self.folder, self.task["verify"]).returncode)
            verdict = await self.judge(iteration)
            self.played.verdicts.append(verdict)
            if verdict.accepted:
                return self.played
            prompt = verdict.follow_up_prompt
        raise AssertionError("never accepted")

    async def judge(self, iteration: int) -> Verdict:
        prompt = self.task["first_prompt"]
        evidence = f"Iteration {iteration} of 10\n\n# Task\n<<<7f3a\n{prompt}\n7f3a>>>\n\n# Tree\n…"
        message = await self.ask(REHEARSAL_EVALUATOR, [{"role": "user", "content": evidence}])
        return Verdict.model_validate_json(message["content"])

    async def turn(self, prompt: str) -> None:
        self.history.append({"role": "user", "content": prompt})
        while True:
            message = await self.ask(REHEARSAL_CODER, self.history, tools=TOOLS)
            self.history.append({"role": "assistant", **message})
            calls = message.get("tool_calls", [])
            for call in calls:
                name = call["function"]["name"]
                ok, text = run_tool(self.folder, name, json.loads(call["function"]["arguments"]))
                self.played.calls.append((name, ok))
                self.history.append({"role": "tool", "tool_call_id": call["id"], "content": text})
                if name == "finish":
                    return
            if not calls:
                self.played.turns_ended_by_text += 1
                return


class TextPlayer(Player):
    """The same without native tools: one JSON action a reply."""

    async def turn(self, prompt: str) -> None:
        self.history.append({"role": "user", "content": prompt})
        while True:
            message = await self.ask(REHEARSAL_CODER, self.history)
            self.history.append({"role": "assistant", "content": message["content"]})
            if not message["content"].startswith("{"):
                return
            action = json.loads(message["content"])
            assert set(action) == {"tool", "arguments"}
            ok, text = run_tool(self.folder, action["tool"], action["arguments"])
            self.played.calls.append((action["tool"], ok))
            if action["tool"] == "finish":
                return
            self.history.append({"role": "user", "content": f"Result of {action['tool']}:\n{text}"})


async def play(task_id: str, folder: Path, player: type[Player] = Player) -> Played:
    folder.mkdir(exist_ok=True)
    async with RehearsalServer(sample_scripts()) as server, aiohttp.ClientSession() as session:
        return await player(session, server.base_url, TASKS[task_id], folder).play()


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_task_file_and_scripts_belong_together() -> None:
    prompts = [task["first_prompt"] for task in TASKS.values()]
    assert sorted(prompts) == sorted(script.prompt for script in sample_scripts())
    assert len(TASKS) == 10
    assert [task["dir"] for task in TASKS.values()] == [f"workspace/{name}" for name in TASKS]
    assert sum("verify" in task for task in TASKS.values()) >= 7
    assert sum(bool(HANZI.search(prompt)) for prompt in prompts) == 2


@pytest.mark.parametrize(
    "task_id", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TASKS]
)
async def test_a_sample_completes_on_an_empty_folder_on_top_and_without_native_tools_and_what_it_leaves_runs(
    task_id: str, tmp_path: Path
) -> None:
    folder = tmp_path / task_id
    first = await play(task_id, folder)
    left = files(folder)
    second = await play(task_id, folder)
    text = await play(task_id, tmp_path / "text", TextPlayer)

    assert len(first.verdicts) == EXPECTED_ITERATIONS.get(task_id, 1)
    assert first.verdicts == second.verdicts
    assert first.calls == second.calls == text.calls
    assert [call for call in first.calls if not call[1]] == FAILED_CALLS.get(task_id, [])
    assert files(folder) == files(tmp_path / "text") == left
    assert not [name for name in left if "__pycache__" in name]
    assert ("bash", True) in first.calls
    assert all(verdict.follow_up_prompt for verdict in first.verdicts[:-1])
    if "verify" in TASKS[task_id]:
        assert first.verify_exits[-1] == 0
        assert second.verify_exits[-1] == 0
        assert all(code != 0 for code in first.verify_exits[:-1])

    (folder / "in.json").write_text('[{"a": "x | y"}]', encoding="utf-8")
    assert {p.name for p in folder.rglob("*.py")} == set(RUNS[task_id])
    for program, (arguments, expected) in RUNS[task_id].items():
        result = shell(folder, shlex.join(["python3", "-B", program, *arguments]))
        assert result.returncode == 0, result.stderr
        assert expected in result.stdout


async def test_verify_finds_the_bug_that_the_edit_mends(tmp_path: Path) -> None:
    played = await play("roman", tmp_path)
    assert played.verify_exits[0] != 0
    assert played.verify_exits[1] == 0
    assert not played.verdicts[0].complete
    assert ("edit_file", True) in played.calls
    assert played.calls.count(("write_file", True)) == 1


async def test_a_question_is_answered_by_the_evaluator(tmp_path: Path) -> None:
    played = await play("sales-report", tmp_path)
    assert played.turns_ended_by_text == 1
    assert played.calls[0] == ("bash", True)
    assert "subtract refunds" in played.verdicts[0].follow_up_prompt
    assert "Refunds: -959.00\n\nGrand total: 3933.35\n" in (tmp_path / "report.md").read_text()


def test_scripts_show_parallel_calls_and_every_tool() -> None:
    replies = [step for script in sample_scripts() for step in script.coder if isinstance(step, Say)]
    assert max(len(reply.calls) for reply in replies) >= 3
    assert {call.name for reply in replies for call in reply.calls} == set(TOOL_NAMES)


def test_samples_speak_the_language_of_their_task() -> None:
    for script in sample_scripts():
        chinese = bool(HANZI.search(script.prompt))
        for step in (*script.coder, *script.evaluator):
            assert isinstance(step, Say)
            said = [step.content, step.reasoning, *_texts_of(step.verdict)]
            said += [
                str(c.arguments["summary"])
                for c in step.calls
                if c.name == "finish" and isinstance(c.arguments, dict)
            ]
            for text in filter(None, said):
                assert bool(HANZI.search(text)) == chinese, text


def _texts_of(verdict: dict[str, Any] | None) -> list[str]:
    if verdict is None:
        return []
    parsed = Verdict.model_validate(verdict)
    needs = [r.text for r in parsed.requirements]
    return [parsed.follow_up_prompt, *parsed.missing, *needs]
