"""A batch that is interrupted again and again: its tasks, their scripts, and what must hold in the end."""

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from tests.support import commands
from tests.support.commands import Started
from tests.support.keys import KEY

TASKS = 30
LINES = 2000
"""Of the smallest file that a task writes; the largest has five times as many."""


def _bash(command: str) -> ScriptedCall:
    return ScriptedCall(name="bash", arguments={"command": command})


def _note(line: str) -> ScriptedCall:
    """Adds a line once, however often it is called; `trace.log` tells how often that was."""
    return _bash(
        f"echo {line} >> trace.log; grep -qx {line} notes.txt 2>/dev/null || echo {line} >> notes.txt"
    )


def _part(number: int, lines: int) -> str:
    return f"Task number {number:02}.\n" * lines * (1 + number % 5)


def files_of(count: int, lines: int = LINES) -> dict[str, bytes]:
    """What so many tasks leave, if nothing is lost and nothing is done twice."""
    files: dict[str, bytes] = {}
    for number in range(count):
        part = _part(number, lines).encode()
        own = {"part.txt": part, "copy.txt": part, "notes.txt": b"one\ntwo\nthree\nfour\nfive\n"}
        sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in own.items())
        own["sums.txt"] = sums.encode()
        files |= {f"work/t{number:02}/{name}": content for name, content in own.items()}
    return files


def script(number: int, lines: int = LINES) -> Script:
    prompt = f"Task number {number:02}."
    write = ScriptedCall(name="write_file", arguments={"path": "part.txt", "content": _part(number, lines)})
    steps = [
        Say(calls=[write, _note("one"), _note("two")]),
        Say(content="Next.", calls=[_note("three")]),
        Say(calls=[_bash("sleep 0.1; cp part.txt copy.txt")]),
        Say(calls=[ScriptedCall(name="finish", arguments={"summary": "First half."})]),
        Say(calls=[_note("four"), _note("five")]),
        Say(calls=[_bash("sha256sum part.txt copy.txt notes.txt > sums.txt")]),
        Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Second half."})]),
    ]
    return Script(
        prompt=prompt,
        coder=list(steps),
        evaluator=[Say(verdict=_verdict(False)), Say(verdict=_verdict(True))],
    )


def _verdict(complete: bool) -> dict[str, Any]:
    return {
        "requirements": [{"text": "all of it", "met": complete, "evidence": "@"}],
        "missing": [] if complete else ["the second half"],
        "complete": complete,
        "blocked": False,
        "score": 1.0 if complete else 0.5,
        "follow_up_prompt": "" if complete else "Do the second half.",
    }


def tasks(count: int = TASKS) -> list[dict[str, Any]]:
    return [
        {
            "id": f"t{number:02}",
            "dir": f"work/t{number:02}",
            "first_prompt": f"Task number {number:02}.",
            "verify": "test -s part.txt",
        }
        for number in range(count)
    ]


@dataclass
class InterruptedBatch:
    """Runs of the command in `folder`, against `server`. One process after another."""

    folder: Path
    server: RehearsalServer
    environ: dict[str, str]
    parallel: int = 6
    count: int = TASKS
    flags: tuple[str, ...] = ()
    process: Started | None = None
    in_flight_at_kills: int = 0
    kills: int = 0
    outputs: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "task.json").write_text(json.dumps({"tasks": tasks(self.count)}))

    @property
    def database(self) -> Path:
        (found,) = (self.folder / ".agentbatch/runs").glob("*/run.db")
        return found

    async def start(self, *arguments: str) -> Started:
        """The command under way; its output goes to a file."""
        output = self.folder.parent / f"output-{len(self.outputs)}.txt"
        self.outputs.append(output)
        self.process = commands.start(
            *self.words(*arguments), cwd=self.folder, env=self.variables(), output=output
        )
        return self.process

    def words(self, *arguments: str) -> tuple[str, ...]:
        return (
            *(arguments or ("--resume",)), "--parallel", str(self.parallel),
            "--display", "plain", "--retry-delay", "0.2", "--tool-mode", "native", *self.flags,
        )  # fmt: skip

    def variables(self) -> dict[str, str]:
        url = self.server.base_url
        return {
            **self.environ,
            "OPENAI_API_KEY": KEY,
            "CODER_ENDPOINT": url,
            "EVALUATION_BASE_URL": url,
            "CODER_MODEL": "rehearsal-coder",
            "EVALUATION_MODEL": "rehearsal-evaluator",
        }

    async def until_calls(self, number: int, timeout: float = 300.0) -> bool:
        """Wait for so many more requests; False when the process ends before."""
        assert self.process is not None
        goal = len(self.server.requests) + number
        async with asyncio.timeout(timeout):
            while len(self.server.requests) < goal:
                if self.process.returncode is not None:
                    return False
                await asyncio.sleep(0.005)
        return True

    async def kill(self, number: int = signal.SIGKILL) -> None:
        """End the process, and note how many calls it had sent whose outcome is not in its database."""
        assert self.process is not None
        os.kill(self.process.pid, number)
        await self.process.wait()
        received = len(self.server.requests)
        await asyncio.sleep(0.05)
        while len(self.server.requests) > received:  # what it had sent may still lie in the sockets
            received = len(self.server.requests)
            await asyncio.sleep(0.05)
        self.kills += 1
        # Requests of earlier sessions without an outcome were counted then.
        self.in_flight_at_kills += received - self.answered() - self.in_flight_at_kills

    async def pause_before_kill(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def steps_done_twice(self) -> int:
        """Commands that ran more often than once."""
        traces = [path.read_text().split() for path in (self.folder / "work").rglob("trace.log")]
        return sum(number - 1 for lines in traces for number in Counter(lines).values())

    def calls_interrupted(self) -> int:
        """Tool calls that were answered as interrupted: the scripted model repeats these."""
        with closing(sqlite3.connect(self.database)) as connection:
            (number,) = connection.execute(
                "SELECT count(*) FROM messages WHERE json_extract(body, '$.content') LIKE 'Interrupted: %'"
            ).fetchone()
        return int(number)

    def answered(self) -> int:
        """Model calls whose outcome is stored."""
        with closing(sqlite3.connect(self.database)) as connection:
            (number,) = connection.execute(
                "SELECT count(*) FROM events WHERE type = 'model_call_finished'"
            ).fetchone()
        return int(number)

    async def finish(self, *arguments: str) -> int:
        process = await self.start(*arguments)
        async with asyncio.timeout(300):
            return await process.wait()

    @property
    def output(self) -> str:
        """Of the latest process."""
        return self.outputs[-1].read_text(encoding="utf-8", errors="replace")

    def files(self) -> dict[str, bytes]:
        """All files of the tasks, but the traces of how often a call was made."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted((self.folder / "work").rglob("*"))
            if path.is_file() and path.name != "trace.log"
        }

    def repeated_calls(self) -> int:
        """Requests that the server saw more than once."""
        bodies = Counter(json.dumps(request.body, sort_keys=True) for request in self.server.requests)
        return sum(number - 1 for number in bodies.values())

    def check_finished(self) -> None:
        """Every task completed once, nothing torn."""
        with closing(sqlite3.connect(self.database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            finished = connection.execute(
                "SELECT task_id, count(*) FROM events WHERE type = 'task_finished' "
                "AND json_extract(body, '$.status') = 'completed' GROUP BY task_id"
            ).fetchall()
            bodies = connection.execute("SELECT body FROM messages ORDER BY task_id, generation, position")
            messages = [json.loads(body) for (body,) in bodies]
        assert sorted(finished) == [(f"t{n:02}", 1) for n in range(self.count)]
        assert messages
        results = json.loads((self.folder / "parallel_batch_results.json").read_text())
        assert results["summary"]["completedTasks"] == self.count
        assert [r["result"]["iterations"] for r in results["results"]] == [2] * self.count
        leftovers = [p for p in self.folder.rglob("*") if p.name.endswith(".tmp") or ".agentbatch-" in p.name]
        assert leftovers == []
