"""The tool `bash`: one command in the task's directory."""

import time
from typing import Annotated, ClassVar

from pydantic import Field

from agentbatch.patterns import regex
from agentbatch.workspace.tools.base import Arguments, ToolDirectory
from agentbatch.workspace.workspace import CommandRecord, CommandResult, ToolResult

DEFAULT_TIMEOUT = 120
"""Seconds."""
MAX_TIMEOUT = 3600
"""Seconds; a larger wish is cut to it."""

_BACKGROUND = regex(r"(?<![&>|])&\s*(?:$|[\n;)#]|\w)|\b(?:nohup|setsid|disown)\b")


class BashArguments(Arguments):
    command: Annotated[str, Field(min_length=1, description="The command line, as for bash -c.")]
    timeout: Annotated[
        float | None,
        Field(gt=0, description=f"Seconds after which it is killed; at most {MAX_TIMEOUT}. Optional."),
    ] = None


class Bash:
    name: ClassVar[str] = "bash"
    description: ClassVar[str] = (
        "Run a bash command in the working directory and get its output and exit code. Each call starts "
        "afresh: cd and variables do not carry over, there is no terminal and no input, /tmp may be emptied, "
        "and background processes end when the command returns."
    )
    arguments: ClassVar[type[Arguments]] = BashArguments

    def __init__(self, default_timeout: float = DEFAULT_TIMEOUT) -> None:
        self._default_timeout = default_timeout

    def summary(self, arguments: BashArguments) -> str:
        return arguments.command

    async def run(self, arguments: BashArguments, directory: ToolDirectory) -> ToolResult:
        timeout = allowed_timeout(arguments.timeout, self._default_timeout)
        result = await directory.shell.run(arguments.command, timeout)
        end = _end(result, timeout)
        hint = _hint(arguments.command, result)
        output = result.output.rstrip("\n") or "(no output)"
        return ToolResult(
            text=f"{output}\n[{end}, {result.seconds:.1f} s]{hint}",
            ok=result.exit_code == 0,
            command=CommandRecord(
                arguments.command, result.exit_code, result.tail(), result.seconds, time.time()
            ),
            changed=True,
            note=end,
        )


def allowed_timeout(asked: float | None, default: float) -> float:
    """Seconds that a command gets: what the model asked for, as far as that is allowed."""
    return min(default if asked is None else asked, MAX_TIMEOUT)


def _end(result: CommandResult, timeout: float) -> str:
    if result.timed_out:
        return f"killed: timeout after {timeout:g} s"
    if result.flooded:
        return "killed: too much output"
    return f"exit {result.exit_code}"


def _hint(command: str, result: CommandResult) -> str:
    if result.timed_out:
        return (
            f"\nIt was still running. Give it a longer timeout (at most {MAX_TIMEOUT}) or less to do. "
            "Commands have no input: use flags that answer questions beforehand."
        )
    if result.flooded:
        return "\nSend long output to a file and look at parts of it."
    if _BACKGROUND.search(command):
        return (
            "\nWhat it left in the background has been ended; use a server within the command that starts it."
        )
    return ""
