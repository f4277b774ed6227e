"""A check that the evaluator's model wrote: a small script, how it is run, what its run before the work says. Pure."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from agentbatch.tasks.evaluator.programs.program import command

Language = Literal["bash", "python"]

MAX_SCRIPT = 4000
"""Characters of a script."""
MAX_REQUIREMENT = 200
"""Characters of what a check is for."""

CANNOT_RUN = 126
"""Exit code of a script that is not one of its language."""


@dataclass(frozen=True)
class OwnCheck:
    """One check."""

    requirement: str
    """What of the task it is for, one line."""
    script: str
    """Its exit code 0 says that the requirement is met."""
    language: Language = "bash"
    guard: bool = False
    """It passed before any work, or was not tried then: its passing says nothing, its failing does."""
    mended: bool = False
    """The judge found it wrong and wrote this in its place."""
    dropped: str = ""
    """Why it counts no more; empty: it does."""

    def record(self) -> dict[str, Any]:
        """As JSON has it; `of` reads it."""
        return asdict(self)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "OwnCheck":
        return cls(**record)

    def command(self, nonce: str) -> str:
        """What runs it, for `bash -c`; its whole text is in the command, no file is written."""
        if self.language == "python":
            return f"exec {command('run_script.py', nonce, self.script)}"
        text = shlex.quote(self.script)
        return f"bash -n -c {text} || exit {CANNOT_RUN}; exec bash -c {text}"


def language_of(script: str, named: str = "") -> Language:
    """By its first line, else by what the model calls it."""
    first = script.lstrip().partition("\n")[0]
    if first.startswith("#!"):
        return "python" if "python" in first else "bash"
    return "python" if named.strip().lower() in ("python", "python3", "py") else "bash"


def came_to_its_end(
    check: OwnCheck, exit_code: int | None, output: str, nonce: str
) -> tuple[int | None, str]:
    """Exit code and output of a run without its nonce. A Python script that exits with 0 and did not come to its end
    has failed: the program under check has ended it."""
    if check.language != "python":
        return exit_code, output
    said, found, rest = output.rpartition(f"\n{nonce} ")
    code, _, after = rest.partition("\n")
    if found and code.isascii() and code.isdigit():
        return (int(code[:3]) or exit_code) if exit_code is not None else None, said + after
    if exit_code == 0:
        return 1, f"{output.rstrip()}\nThe program ended the process before the check was over.".lstrip()
    return exit_code, output


def cannot_run(exit_code: int | None, output: str) -> str:
    """Why a check that ran before any work is none, as the end of a sentence; empty: it is one. That a file of the
    task is not there yet is no such cause."""
    if exit_code is None:
        return "it did not end within its time"
    if exit_code == CANNOT_RUN and re.search(
        r"syntax error|SyntaxError|unexpected (EOF|end of file)", output
    ):
        return "it has a syntax error"
    if exit_code == 127 and re.search(r"command not found|exec: \S+: not found", output):
        return "it needs a command that is not here"
    return ""


def in_words(check: OwnCheck, exit_code: int | None, output: str) -> str:
    """What the coder is told of a failure: what it is about and what came of it, nothing of the script."""
    end = "It did not end within its time." if exit_code is None else f"It ended with exit code {exit_code}."
    said = "\n".join(_said(check, output)[-SAID_LINES:])[-MAX_SAID:]
    printed = f" It said:\n{said}" if said else f" {end}"
    return f"A check of this requirement failed: {check.requirement}{'' if _ended(check.requirement) else '.'}{printed}"


SAID_LINES = 6
MAX_SAID = 600
"""Lines and characters of what a failed check printed that the coder is told."""


def _said(check: OwnCheck, output: str) -> list[str]:
    """The lines that are no part of the script, nor of a traceback's way through it."""
    own = {line.strip() for line in check.script.splitlines()}
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    noise = re.compile(r'[ \t]*File "<check>"|Traceback \(most recent call last\):|[ \t]*[~^]+[ \t]*$')
    return [line for line in lines if line.strip() not in own and not noise.match(line)]


def _ended(text: str) -> bool:
    return text.endswith((".", "!", "?"))
