"""What an agent's program says of itself, and what is said of one that does not."""

import sys
from pathlib import Path

import pytest

from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.external.probe import ProbeResult, answered, probe, version_in
from tests.support.workspaces import local_workspace

ANSWER = b'{"jsonrpc": "2.0", "id": 1, "result": {"agentInfo": {"version": "1.2"}}}'


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("codex-cli 0.171.0\n", "0.171.0"),
        ("2.1.197 (Claude Code)", "2.1.197"),
        ("v1.0-rc.2+b", "1.0-rc.2+b"),
        ("GitHub Copilot CLI 1.0.102.\nRun 'copilot update' to check for updates.", "1.0.102"),
        ("This is mini-swe-agent version 2.4.0.\nUsage: mini [OPTIONS]", "2.4.0"),
        ("warning: no config\n\x1b[1maider\x1b[0m 0.86.2", "0.86.2"),
        ("1." + "1" * 99, ""),
        ("I wrote a.txt", ""),
        ("Usage: mine [--timeout 1.5] TASK\n  waits 2.5 s", ""),
        ("Thinking took 1.5 s", ""),
        ("no number\nat all", ""),
        ("", ""),
    ],
)
def test_the_version_in_what_it_prints(printed: str, version: str) -> None:
    assert version_in(printed) == version


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (ANSWER, {"agentInfo": {"version": "1.2"}}),
        (b"starting ...", None),
        (b"[1, 2]", None),
        (b'{"method": "session/update"}', None),
        (b'{"id": 2, "result": {}}', None),
        (b"\xff", None),
    ],
)
def test_which_line_is_the_answer(line: bytes, found: object) -> None:
    assert answered(line) == found


@pytest.mark.parametrize("line", [b'{"id": 1, "error": {"message": "no"}}', b'{"id": 1, "result": 7}'])
def test_an_answer_that_refuses(line: bytes) -> None:
    with pytest.raises(ValueError, match="It refused `initialize`"):
        answered(line)


SPEAKS = f"import sys\nsys.stdin.readline()\nprint('noise')\nprint({ANSWER.decode()!r}, flush=True)\nsys.stdin.read()"
DIES = "import sys\nsys.stdin.readline()\nsys.exit('no license found')"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (SPEAKS, ProbeResult("3.9", True)),
        (DIES, ProbeResult("3.9", False, "It gave no answer to `initialize`: no license found.")),
        (
            "input()\nraise OSError('no license file')",
            ProbeResult("3.9", False, "It gave no answer to `initialize`: OSError: no license file."),
        ),
        ("while True: print('x' * 60_000)", ProbeResult("3.9", False, "It gave no answer to `initialize`.")),
    ],
)
async def test_a_program_is_asked(tmp_path: Path, code: str, found: ProbeResult) -> None:
    python = (sys.executable, "-I", "-S", "-c")
    entry = CoderEntry(
        name="a", protocol="acp", command=(*python, code), version=(*python, "print('version 3.9')")
    )
    (tmp_path / "work").mkdir()
    workspace = local_workspace(tmp_path / "work", tmp_path / "outputs")
    try:
        assert await probe(entry, workspace) == found
    finally:
        await workspace.close()


async def test_one_that_would_wait_for_a_login_is_not_asked(tmp_path: Path) -> None:
    program = ("echo", "1.2")
    entry = CoderEntry(name="a", protocol="acp", command=program, version=program, gateway=False)
    (tmp_path / "work").mkdir()
    workspace = local_workspace(tmp_path / "work", tmp_path / "outputs")
    try:
        told = "It works with a login of its own only: --coder-login a."
        assert await probe(entry, workspace) == ProbeResult("1.2", None, told)
    finally:
        await workspace.close()
