"""Copies of the task's directory, in which checks run; and what is told where there can be none."""

import errno
import re

from agentbatch.errors import UserError
from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner
from agentbatch.text import clip
from agentbatch.workspace.files.diff.file_diff import quoted
from agentbatch.workspace.workspace import Workspace

NAME = "the directory can be copied"
MAX_PATH = 160
"""Characters of a path that are told."""
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_IN_A_COPY = regex(r".*?/fork-\d+/files/[^/]+/(.*)", re.DOTALL)


class NoCopy(UserError):
    """The directory cannot be copied: of a coder's that could be before the work, that is what it has made of it."""

    def __init__(self, error: Exception, directory: str) -> None:
        super().__init__(str(error))
        self.why = _why(error, directory)
        """What is wrong and where, as the middle of a sentence."""


async def copy_of(workspace: Workspace) -> Workspace:
    """`Workspace.fork`. Raises NoCopy; OSError where the disk is full, which is no fault of the task's."""
    try:
        return await workspace.fork()
    except (UserError, OSError) as error:
        number = getattr(_cause(error), "errno", None)
        if number in _DISK_FULL:
            raise OSError(number, str(error)) from error
        raise NoCopy(error, workspace.info.directory) from error


def not_copied(error: NoCopy, runner: CheckRunner) -> CheckResult:
    """The one failed check that it is: what cannot be run is not accepted."""
    text = runner.redact(
        f"Your directory cannot be copied, so that what is in it cannot be checked: {error.why}. "
        "Remove what you have made there, or make it readable and its path short."
    )
    result = CheckResult(NAME, 1, text, 0.0, "sound", ran=False, told=text)
    runner.started("sound", NAME)
    runner.finished(result)
    return result


def _cause(error: Exception) -> BaseException:
    return error if isinstance(error, OSError) else error.__cause__ or error


def _why(error: Exception, directory: str) -> str:
    cause = _cause(error)
    if not isinstance(cause, OSError):
        return clip(str(error), MAX_PATH).rstrip(".")
    path = str(cause.filename or "")
    inside = _IN_A_COPY.fullmatch(path)
    path = inside[1] if inside else path.removeprefix(f"{directory}/")
    return f"{quoted(clip(path, MAX_PATH))}: {cause.strerror}" if path else str(cause.strerror or cause)
