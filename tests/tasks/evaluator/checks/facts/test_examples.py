"""A task's own examples run in a copy of its directory."""

from pathlib import Path

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner, Work
from agentbatch.tasks.evaluator.checks.facts.examples import StatedExamples
from tests.support.workspaces import local_workspace

TASK = """Write text.py: slug('A b') returns 'a-b', slug('') == '', slug(None) raises TypeError.
`python3 text.py 'A b'` prints `a-b`."""
RIGHT = """
import sys
print("noise")
open("left.txt", "w").write("x")
def slug(text):
    print("more noise")
    if text is None:
        raise TypeError("no text")
    return text.lower().replace(" ", "-")
if __name__ == "__main__":
    print(slug(sys.argv[1]))
"""


async def checked(tmp_path: Path, source: str, name: str = "text.py") -> tuple[list[CheckResult], list[str]]:
    root = tmp_path / "work"
    root.mkdir(exist_ok=True)
    workspace = local_workspace(root, tmp_path / "outputs")
    before = await workspace.snapshot()
    (root / name).write_text(source, encoding="utf-8")
    events: list[e.Event] = []
    runner = CheckRunner("t", events.append, Redactor([]), workspace)
    found = await StatedExamples(TASK, 30.0).run(Work(1, before, await workspace.snapshot(), runner))
    assert sorted(path.name for path in root.iterdir()) == [name], "they run in a copy"
    return list(found), [type(event).__name__ for event in events]


async def test_right_work_passes(tmp_path: Path) -> None:
    (found,), events = await checked(tmp_path, RIGHT)
    assert (found.kind, found.passed, found.binding, found.ran, found.told) == (
        "example",
        True,
        True,
        True,
        "",
    )
    assert found.tail.split("\n") == [
        "`slug('A b')` gives 'a-b'",
        "`slug('')` gives ''",
        "`slug(None)` raises TypeError",
        "`python3 text.py 'A b'` prints a-b",
    ]
    assert events == ["CheckStarted", "CheckFinished"]


async def test_what_is_wrong_is_told_in_words(tmp_path: Path) -> None:
    (found,), _ = await checked(tmp_path, "def slug(text):\n    return str(text).replace(' ', '-')\n")
    assert (found.passed, found.binding) == (False, True)
    assert found.told == (
        "Examples of the task do not come out as stated:\n"
        "`slug('A b')` should give 'a-b'; it gave 'A-b'\n"
        "`slug(None)` should raise TypeError; it gave 'None'\n"
        "`python3 text.py 'A b'` should print a-b; it printed nothing"
    )


async def test_where_nothing_is_made_yet_nothing_runs(tmp_path: Path) -> None:
    assert await checked(tmp_path, "x = 1\n", "other.py") == ([], [])
