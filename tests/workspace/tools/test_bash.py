"""bash: what the model is told of a command's end."""

import re
from collections.abc import Awaitable, Callable

import pytest

from agentbatch.workspace.tools.base import ToolDirectory
from agentbatch.workspace.tools.bash import DEFAULT_TIMEOUT, allowed_timeout
from agentbatch.workspace.workspace import ToolResult

Call = Callable[..., Awaitable[ToolResult]]


def end(result: ToolResult) -> str:
    """The text with its duration taken out."""
    return re.sub(r"\d+\.\d s\]", "T]", result.text)


async def test_output_exit_code_and_duration(call: Call) -> None:
    result = await call("bash", command="echo out; echo err >&2; exit 3")
    assert end(result) == "out\nerr\n[exit 3, T]"
    assert (result.ok, result.changed, result.note) == (False, True, "exit 3")
    assert result.command is not None
    assert (result.command.command, result.command.exit_code) == ("echo out; echo err >&2; exit 3", 3)
    assert result.command.tail == "out\nerr"
    assert result.command.ended > 0


async def test_silence_is_said(call: Call) -> None:
    result = await call("bash", command="true")
    assert end(result) == "(no output)\n[exit 0, T]"
    assert result.ok


async def test_a_timeout_says_what_to_do(call: Call) -> None:
    for seconds in (1, 5, 25):  # in the first of them a busy machine may not have begun it
        result = await call("bash", command="echo begun; sleep 300", timeout=seconds)
        if "begun" in result.text:
            break
    assert end(result).startswith(
        f"begun\n[killed: timeout after {seconds} s, T]\nIt was still running. Give it a longer"
    )
    assert result.command is not None
    assert result.command.exit_code is None
    assert not result.ok


async def test_a_flood_says_what_to_do(call: Call) -> None:
    result = await call("bash", command="yes")
    assert "[killed: too much output, " in result.text
    assert "Send long output to a file" in result.text
    assert len(result.text) < 31_000


async def test_long_output_names_a_file_that_read_file_opens(call: Call, directory: ToolDirectory) -> None:
    result = await call("bash", command="seq 1 20000")
    found = re.search(r"the whole output is in (\S+) ", result.text)
    assert found is not None
    read = await call("read_file", path=found[1], offset=12_345, limit=1)
    assert read.text.startswith(" 12345\t12345\n")


@pytest.mark.parametrize(
    ("command", "hinted"),
    [
        ("sleep 100 &", True),
        ("python3 -m http.server 0 >/dev/null 2>&1 & sleep 0.1", True),
        ("(sleep 100 &)", True),
        ("true && echo x", False),
        ("echo x 2>&1", False),
        ("echo x &> f", False),
    ],
)
async def test_the_hint_about_background_processes(call: Call, command: str, hinted: bool) -> None:
    result = await call("bash", command=command)
    assert ("has been ended" in result.text) is hinted


@pytest.mark.parametrize(
    ("asked", "given"), [(None, 120), (1, 1), (0.5, 0.5), (3600, 3600), (3601, 3600), (1e300, 3600)]
)
def test_a_timeout_is_capped_not_refused(asked: float | None, given: float) -> None:
    assert allowed_timeout(asked, DEFAULT_TIMEOUT) == given
