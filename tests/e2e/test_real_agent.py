"""A real agent of npm, offline: it works for us like any coder, and all that it is told and takes is counted."""

import json
import os
import signal
from pathlib import Path

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from tests.support import commands
from tests.support.keys import KEY
from tests.support.npm_agents import PI, programs_of
from tests.support.waiting import until, wait_until
from tests.tasks.run.verdicts import COMPLETE

pytestmark = pytest.mark.slow

PROMPT = "Write hello.txt: it has the line hello world and nothing else."
TASK = {"id": "hello", "dir": "work", "first_prompt": PROMPT, "verify": "grep -qx 'hello world' hello.txt"}
SLEEP = f"sleep 48{os.getpid()}"
"""Told from what other tests start."""


def call(name: str, **arguments: str) -> Say:
    return Say(calls=[ScriptedCall(name=name, arguments=arguments)])


FIRST = (call("write_file", path="hello.txt", content="hello\n"), call("bash", command="env > env.txt"))
HELD = call("bash", command=f"touch began; (setsid {SLEEP} &); until [ -e go ]; do sleep 0.1; done")
REST = (
    call("finish", summary="It is there."),
    call("edit_file", path="hello.txt", old_string="hello", new_string="hello world"),
    call("finish", summary="Now it says hello world."),
)


@pytest.fixture
def project(folder: Path, environ: dict[str, str]) -> Path:
    environ["PATH"] = f"{programs_of(PI)}{os.pathsep}{environ['PATH']}"
    (folder / "work").mkdir()
    (folder / "task.json").write_text(json.dumps({"tasks": [TASK]}))
    return folder


def script(*steps: Say) -> Script:
    return Script(prompt=PROMPT, coder=list(steps), evaluator=[Say(verdict=COMPLETE)])


def settings(environ: dict[str, str], server: RehearsalServer) -> dict[str, str]:
    return {
        **environ,
        "CODER_API_KEY": KEY,
        "EVALUATION_API_KEY": KEY,
        "CODER_ENDPOINT": server.base_url,
        "EVALUATION_BASE_URL": server.base_url,
        "CODER_MODEL": "rehearsal-coder",
        "EVALUATION_MODEL": "rehearsal-evaluator",
    }


def alive(words: str) -> list[str]:
    """Command lines of processes with these words."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if words in line and place.parent.name != str(os.getpid()):
            found.append(line)
    return found


def check(project: Path, server: RehearsalServer) -> None:
    """It is done in two iterations, all is billed, no key was shown, nothing lives."""
    document = json.loads((project / "batch_results.json").read_text())
    (result,) = document["results"]
    assert (result["result"]["status"], result["result"]["iterations"]) == ("completed", 2)
    told, given = document["summary"]["totalTokenStats"]["byRole"]["coder"], server.given["rehearsal-coder"]
    assert (told["promptTokens"], told["cachedTokens"], told["completionTokens"], told["calls"]) == (
        given.input,
        given.cached,
        given.output,
        given.calls,
    )
    shown = (project / "work/env.txt").read_text()
    assert "AGENTBATCH" in shown
    assert KEY not in shown
    assert "API_KEY" not in shown
    wait_until(lambda: not alive(SLEEP), "its commands live on")
    wait_until(lambda: not alive(str(project / "work")), "it lives on")


@pytest.mark.parametrize("sandbox", ["auto", "none"])
async def test_it_is_followed_up_in_its_session(project: Path, environ: dict[str, str], sandbox: str) -> None:
    async with RehearsalServer([script(*FIRST, *REST)], key=KEY) as server:
        words = ("--coder", "pi", "--serial", "--sandbox", sandbox, "--display", "plain")
        started = commands.start(*words, cwd=project, env=settings(environ, server))
        out, err = await started.communicate()
        assert started.returncode == 0, (out + err).decode()
        check(project, server)
        asked = [request.body for request in server.requests if request.body["model"] == "rehearsal-coder"]
        first, last = asked[0]["messages"], asked[-1]["messages"]
        assert last[: len(first)] == first, "one session"


async def test_killed_in_a_turn_it_goes_on(project: Path, environ: dict[str, str]) -> None:
    async with RehearsalServer([script(*FIRST, HELD, *REST)], key=KEY) as server:
        words = ("--coder", "pi", "--serial", "--display", "plain")
        started = commands.start(*words, cwd=project, env=settings(environ, server))
        await until(lambda: (project / "work/began").exists())
        started.send_signal(signal.SIGKILL)
        await started.wait()
        (project / "work/go").touch()
        resumed = commands.start("resume", "--display", "plain", cwd=project, env=settings(environ, server))
        out, err = await resumed.communicate()
        assert resumed.returncode == 0, (out + err).decode()
        check(project, server)
