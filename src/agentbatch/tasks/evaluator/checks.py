"""The task's own checks: commands that run after each turn, in turn, until one fails; and which changes of files can
make them say what is not so."""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.workspace.workspace import Workspace

VERIFY_TAIL_LINES = 60
"""Lines of a check's output that are kept, from its end."""


_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec", "specs", "testdata"})
_TEST_NAMES = re.compile(
    r"test_.*\.py|.*_tests?\.(py|go|c|cc|cpp|rb|rs|exs|dart|php)|.*_spec\.(rb|lua)|conftest\.py|"
    r".*\.(test|spec)\.[cm]?[jt]sx?|.*Tests?\.(java|kt|cs|swift|php|scala)|"
    r"(pytest\.ini|tox\.ini|(jest|vitest|karma|playwright)\.config\.[cm]?[jt]s)"
)


@dataclass(frozen=True)
class VerifyResult:
    command: str
    exit_code: int | None
    """None: it did not end within its time."""
    tail: str
    seconds: float

    @property
    def passed(self) -> bool:
        return self.exit_code == 0

    @property
    def end(self) -> str:
        return "ran out of time" if self.exit_code is None else f"exit code {self.exit_code}"


async def run_checks(
    commands: Sequence[str],
    workspace: Workspace,
    timeout: float,
    *,
    task_id: str,
    emit: Callable[[e.Event], None],
    redact: Redactor,
) -> list[VerifyResult]:
    """Run the commands in turn, `timeout` seconds each; stop at the first failure."""
    results = []
    for command in commands:
        shown = redact(command)
        emit(e.VerifyStarted(task_id=task_id, command=shown))
        done = await workspace.run(command, timeout)
        result = VerifyResult(shown, done.exit_code, redact(done.tail(VERIFY_TAIL_LINES)), done.seconds)
        emit(
            e.VerifyFinished(
                task_id=task_id,
                command=shown,
                exit_code=result.exit_code,
                tail=result.tail,
                seconds=result.seconds,
            )
        )
        results.append(result)
        if not result.passed:
            break
    return results


def changed_tests(paths: Iterable[str]) -> list[str]:
    """Which of `paths` look like tests or what steers them."""
    return [path for path in paths if _is_test(path)]


def shadowing(paths: Iterable[str]) -> list[str]:
    """Which of `paths` a Python check would import in the place of the standard library: `unittest.py` beside the
    tests decides what they say."""
    names = sys.stdlib_module_names | {"sitecustomize", "usercustomize"}
    return [
        path for path in paths if path.endswith(".py") and path.split("/")[0].removesuffix(".py") in names
    ]


def _is_test(path: str) -> bool:
    *folders, name = path.split("/")
    return bool(_TEST_FOLDERS.intersection(folders)) or _TEST_NAMES.fullmatch(name) is not None
