"""A task's own examples run in a copy of its directory."""

import shutil
from pathlib import Path

import pytest

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


async def checked(
    tmp_path: Path, source: str, name: str = "text.py", task: str = TASK
) -> tuple[list[CheckResult], list[str]]:
    root = tmp_path / "work"
    root.mkdir(exist_ok=True)
    workspace = local_workspace(root, tmp_path / "outputs")
    before = await workspace.snapshot()
    (root / name).write_text(source, encoding="utf-8")
    events: list[e.Event] = []
    runner = CheckRunner("t", events.append, Redactor([]), workspace)
    found = await StatedExamples(task, 30.0).run(Work(1, before, await workspace.snapshot(), runner))
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


JS_TASK = "slug('A b') returns 'a-b'. pair(1) is [1, {'a': None}], none(1) is 2, stop(1) throws an error, away(1) is 3."
JS = """
console.log("noise");
function slug(text) { console.log("more"); return text; }
const pair = async (n) => [n, { a: null }];
function none(n) {}
function stop(n) { throw new RangeError("no"); }
function away(n) { return require("fs").readFileSync("gone"); }
module.exports = { slug, pair, none, stop, away };
"""


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
async def test_javascript_is_called_with_node(tmp_path: Path) -> None:
    (found,), _ = await checked(tmp_path, JS, "a.js", JS_TASK)
    assert found.told == (
        "Examples of the task do not come out as stated:\n"
        "`slug('A b')` should give 'a-b'; it gave 'A b'\n"
        "`none(1)` should give 2; it gave undefined"
    )
    shutil.rmtree(tmp_path / "work")
    assert await checked(tmp_path, f"document.title = 'x'; {JS}", "a.js", JS_TASK) == (
        [],
        ["CheckStarted", "CheckFinished"],
    )
    shutil.rmtree(tmp_path / "work")
    right = "export const slug = (t) => t.toLowerCase().replace(' ', '-');"
    (found,), _ = await checked(tmp_path, right, "a.mjs", JS_TASK)
    assert (found.passed, found.tail) == (True, "`slug('A b')` gives 'a-b'")


async def test_what_is_named_alone_is_run_and_its_fault_only_told(tmp_path: Path) -> None:
    (found,), _ = await checked(tmp_path, "{}['a']\n", "a.py", "Write a.py, run as `python3 a.py 5`.")
    assert (found.passed, found.binding, found.ran) == (False, False, True)
    assert (found.tail, found.line.counts) == ("`python3 a.py 5` ends in KeyError: 'a'", False)
    assert found.note
