"""The shell's promises, each in both sandbox modes: prompt, bounded, and nothing outlives a command."""

import asyncio
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from agentbatch.workspace.shell.output import Collector
from agentbatch.workspace.shell.processes import CommandProcess
from agentbatch.workspace.shell.shell import Shell
from agentbatch.workspace.workspace import CommandResult
from tests.support.waiting import PATIENCE

PROMPT = 250.0
"""Seconds: below the commands' own hundreds, far above what a noisy machine needs."""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def running(word: str) -> list[str]:
    """Command lines of live processes that contain `word`; a zombie has none."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if entry.name.isdigit() and word in line:
            found.append(line)
    return found


async def assert_gone(word: str) -> None:
    """A pid namespace needs a moment to go down after its first process."""
    deadline = time.monotonic() + PATIENCE
    while running(word) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert running(word) == []


@pytest.fixture
def word() -> str:
    """Marks the processes of one test in their command lines."""
    return f"mark-{uuid.uuid4().hex}"


async def test_output_exit_code_and_place(shell: Shell, root: Path) -> None:
    result = await shell.run("pwd; echo problem >&2; echo done; exit 3")
    assert result == CommandResult(3, f"{root}\nproblem\ndone\n", False, False, result.seconds, "")


async def test_a_signal_is_an_exit_code_as_in_a_shell(shell: Shell) -> None:
    result = await shell.run("kill -SEGV $$")
    assert (result.exit_code, result.timed_out) == (139, False)


async def test_nothing_carries_over(shell: Shell) -> None:
    await shell.run("cd /; export LEFT=1; left=1")
    result = await shell.run('echo "$LEFT$left"; basename "$PWD"')
    assert result.output == "\ntask\n"


async def test_files_written_stay(shell: Shell, root: Path) -> None:
    assert (await shell.run("mkdir -p a && echo hi > a/b")).exit_code == 0
    assert (root / "a/b").read_text() == "hi\n"


@linux_only
@pytest.mark.parametrize(
    "command",
    [
        "exec -a {word} sleep 300 & echo out",
        "(exec -a {word} setsid bash -c 'exec -a {word} sleep 300') & sleep 0.2; echo out",
        "setsid nohup bash -c 'exec -a {word} sleep 300' >/dev/null 2>&1 < /dev/null & sleep 0.2; echo out",
        "(trap '' TERM HUP INT; exec -a {word} sleep 300) & sleep 0.2; echo out",
        "for i in 1 2 3 4 5; do setsid bash -c 'setsid bash -c \"exec -a {word} sleep 300\" & ' & done; "
        "sleep 0.2; echo out",
    ],
    ids=["background", "setsid", "nohup", "ignores-sigterm", "grandchildren"],
)
async def test_what_is_left_in_the_background_ends_with_the_command(
    shell: Shell, command: str, word: str
) -> None:
    result = await shell.run(command.format(word=word), timeout=200)
    assert (result.exit_code, result.output) == (0, "out\n")
    await assert_gone(word)


@linux_only
async def test_a_timeout_kills_the_whole_tree_though_it_ignores_sigterm(shell: Shell, word: str) -> None:
    command = f"echo begun; trap '' TERM; (trap '' TERM; exec -a {word} sleep 300) & exec -a {word} sleep 300"
    for seconds in (1, 5, 25):  # in the first of them a busy machine may not have begun it
        result = await shell.run(command, timeout=seconds)
        assert (result.exit_code, result.timed_out, result.flooded) == (None, True, False)
        if result.output:
            break
    assert result.output == "begun\n"
    assert result.seconds < PROMPT
    await assert_gone(word)


@linux_only
async def test_cancelled_in_the_middle_it_leaves_no_process_and_no_handle(shell: Shell, word: str) -> None:
    await shell.run("true")
    handles = len(os.listdir("/proc/self/fd"))
    script = f"setsid bash -c 'exec -a {word} sleep 300' & exec -a {word} sleep 300"
    task = asyncio.create_task(shell.run(script, timeout=300))
    while len(running(f"{word}\0")) < 2:
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await assert_gone(word)
    assert len(os.listdir("/proc/self/fd")) <= handles


@linux_only
async def test_cancelled_at_any_moment_it_leaves_nothing(shell: Shell, word: str) -> None:
    await shell.run("true")
    handles = len(os.listdir("/proc/self/fd"))
    for moment in range(20):
        task = asyncio.create_task(shell.run(f"seq 1 50000; exec -a {word} sleep 300", timeout=300))
        await asyncio.sleep(moment * 0.003)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await assert_gone(word)
    assert len(os.listdir("/proc/self/fd")) <= handles


@linux_only
async def test_cancelled_again_while_it_cleans_up(shell: Shell, word: str) -> None:
    await shell.run("true")
    handles = len(os.listdir("/proc/self/fd"))
    task = asyncio.create_task(shell.run(f"seq 1 50000; exec -a {word} sleep 300", timeout=300))
    while not running(f"{word}\0"):
        await asyncio.sleep(0.02)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert task.cancelled()
    await assert_gone(word)
    assert len(os.listdir("/proc/self/fd")) <= handles


async def test_the_group_dies_without_a_sweep(root: Path) -> None:
    """What systems without /proc and pid namespaces get: all but what left the group."""
    collector = Collector(root / "outputs")
    command = "trap '' TERM HUP INT; (trap '' TERM HUP INT; sleep 300; echo late) & sleep 300; echo late"
    process = CommandProcess(["bash", "-c", command], root, dict(os.environ), sweep=False)
    try:
        assert await process.watch(collector, timeout=1) is False
    finally:
        begun = time.monotonic()
        await process.end()
    assert time.monotonic() - begun < PROMPT
    assert process.exit_code == 128 + 9
    assert collector.finish() == ""


@linux_only
async def test_many_commands_leave_no_handles(shell: Shell) -> None:
    await shell.run("true")
    handles = len(os.listdir("/proc/self/fd"))
    for command in ("true", "sleep 100 &", "seq 1 20000", "exit 3", "exec >&- 2>&-; true"):
        await asyncio.gather(*(shell.run(command) for _ in range(5)))
    assert len(os.listdir("/proc/self/fd")) <= handles


@pytest.mark.parametrize(
    "command",
    [
        "yes",
        "yes 漢字 | tr -d '\\n'",
        pytest.param("cat /dev/zero", marks=pytest.mark.slow),
        pytest.param("cat /dev/urandom", marks=pytest.mark.slow),
    ],
)
async def test_a_flood_is_killed_and_the_event_loop_continues(shell: Shell, command: str) -> None:
    """While it is drained, timers still fire."""
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    heart = asyncio.create_task(beat())
    result = await shell.run(command, timeout=200)
    heart.cancel()
    assert (result.exit_code, result.flooded, result.timed_out) == (None, True, False)
    assert len(result.output) <= 30_000
    assert beats > 1


FLAT = """
import asyncio, re, sys
from pathlib import Path
from agentbatch.workspace.sandbox.sandbox import Sandbox
from agentbatch.workspace.shell.shell import Shell

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

async def main():
    root = Path(sys.argv[1])
    shell = Shell(root, Sandbox("none"), {"PATH": "/usr/bin:/bin"}, root / "outputs")
    await shell.run("seq 1 20000")
    before = peak()
    for command in ("head -c 1000000000 /dev/zero", "yes | head -c 1000000000", "yes | tr -d '\\\\n'"):
        result = await shell.run(command)
        assert result.flooded, result
    print(peak() - before)

asyncio.run(main())
"""


@linux_only
@pytest.mark.slow
def test_a_gigabyte_of_output_needs_no_memory(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FLAT, str(root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    grown = int(done.stdout)
    assert grown < 16 * 1024, f"{grown} KiB more at the peak, for output of 50 MB before the kill"


async def test_long_output_keeps_both_ends_and_is_whole_in_a_file(shell: Shell) -> None:
    result = await shell.run("seq 1 20000")
    assert len(result.output) <= 30_000
    assert result.output.startswith("1\n2\n3\n")
    assert result.output.endswith("19999\n20000\n")
    assert result.spilled
    assert str(result.spilled) in result.output
    assert Path(result.spilled).read_text() == "".join(f"{n}\n" for n in range(1, 20_001))
    again = await shell.run(f"wc -l < {result.spilled}")
    assert again.output.strip() == "20000", "the next command can read it, in the sandbox too"


async def test_one_huge_line(shell: Shell) -> None:
    result = await shell.run("head -c 5000000 /dev/zero | tr '\\0' x")
    assert result.exit_code == 0
    assert len(result.output) <= 30_000
    assert result.output.startswith("xxx")
    assert result.output.endswith("xxx")


async def test_who_reads_input_gets_its_end(shell: Shell) -> None:
    result = await shell.run("cat; read -r x; echo $?; python3 -c 'input()' 2>&1 | tail -1", timeout=300)
    assert result.output == "1\nEOFError: EOF when reading a line\n"


INPUT = """
import asyncio, sys
from pathlib import Path
from agentbatch.workspace.sandbox.sandbox import Sandbox
from agentbatch.workspace.shell.shell import Shell

shell = Shell(Path(sys.argv[1]), Sandbox("none"), {"PATH": "/usr/bin:/bin"}, Path(sys.argv[1]) / "outputs")
print(asyncio.run(shell.run("cat", timeout=300)).exit_code)
"""


def test_our_own_input_is_never_a_commands(root: Path) -> None:
    """Also while somebody keeps ours open, as a terminal does."""
    command = [sys.executable, "-c", INPUT, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "0\n"


async def test_there_is_no_terminal(shell: Shell) -> None:
    result = await shell.run("test -t 0 || test -t 1 || : < /dev/tty || echo none")
    assert result.output.splitlines()[-1] == "none"


async def test_output_closed_early_is_not_the_end(shell: Shell) -> None:
    result = await shell.run("echo first; exec >&- 2>&-; sleep 0.3; exit 7")
    assert (result.exit_code, result.output) == (7, "first\n")


async def test_colours_and_control_characters_are_stripped(shell: Shell) -> None:
    command = r"printf '\033[1;31mred\033[0m \033]0;title\007a\bb\r\n50%%\r100%%\n\302\205end\377\n'"
    result = await shell.run(command)
    assert result.output == "red ab\n50%\n100%\nend\ufffd\n"


async def test_limits_hold(shell: Shell) -> None:
    result = await shell.run("ulimit -c; ulimit -f; truncate -s 11G big; echo $?; ls")
    lines = result.output.split()
    assert lines[:2] == ["0", "10485760"]
    assert "big" not in lines or (await shell.run("stat -c %s big")).output == "0\n"


@pytest.mark.parametrize("command", ["echo \0", "echo " + "x" * 200_000, "echo \ud800"])
async def test_a_command_that_cannot_be_passed_is_a_result(shell: Shell, command: str) -> None:
    result = await shell.run(command)
    assert result.exit_code == 126
    assert result.output.startswith("The command was not started: the command ")


async def test_a_directory_that_is_gone_is_a_result(shell: Shell, root: Path) -> None:
    root.rmdir()
    result = await shell.run("echo hi")
    assert result.exit_code == 126
    assert str(root) in result.output


async def test_an_own_environment_each(shell: Shell) -> None:
    result = await shell.run("env")
    assert "TERM=dumb" in result.output.splitlines()
    assert "PYTEST_CURRENT_TEST" not in result.output


def test_tail() -> None:
    output = "".join(f"{n}\n" for n in range(100))
    result = CommandResult(0, output, False, False, 0.0, "")
    assert result.tail(3) == "97\n98\n99"
    assert len(CommandResult(0, "x" * 30_000, False, False, 0.0, "").tail()) == 4_000
