"""Which examples can be run on which work: a table."""

import pytest

from agentbatch.tasks.evaluator.checks.facts.stated.stated import stated_examples
from agentbatch.tasks.evaluator.checks.facts.tied import tied
from agentbatch.workspace.workspace import FileEntry, Snapshot


def snapshot(files: dict[str, str]) -> Snapshot:
    return Snapshot({path: FileEntry(text, len(text), text, False) for path, text in files.items()})


@pytest.mark.parametrize(
    ("task", "after", "found"),
    [
        ("Write a.py with a function f(n). f(1) == 2", {"a.py": "def g(): pass"}, {"a.py": ["f"]}),
        ("写 a.py，函数 f(n)。f(1) 返回 2", {"a.py": "def g(): pass"}, {"a.py": ["f"]}),
        (
            "Write a.py with functions f(n) and h(n). f(1) == 2, h(1) == 2",
            {"a.py": "def h(n): 1"},
            {"a.py": ["f"]},
        ),
        ("Write a.py with a function f(n). f(1) == 2", {"a.py": "f = g"}, {}),
        ("Write a.py with a function f(n). f(1) == 2", {"a.py": "from b import *"}, {}),
        ("Write a.py with a function f(n). f(1) == 2", {"a.py": "globals()['f'.lower()] = len"}, {}),
        ("Write a.py with a function f(n). f(1) == 2", {"a.py": "1", "b.py": "def f(n): 1"}, {}),
        ("Write a.py with a function f(n). f(1) == 2", {"b.py": "1"}, {}),
        ("Write a.py with a function f(n). f(1) == 2", {"a.py": ""}, {}),
        ("Write a.py and b.py with a function f(n). f(1) == 2", {"a.py": "1", "b.py": "1"}, {}),
        ("Write a.py. len('a') == 1 is so", {"a.py": "1"}, {}),
        ("Write a.py with a function f(n). a.f(1) == 2", {"a.py": "1"}, {}),
    ],
)
def test_a_function_that_is_nowhere(task: str, after: dict[str, str], found: dict[str, list[str]]) -> None:
    assert tied(stated_examples(task), task, Snapshot({}), snapshot(after)).absent == found


F = "def f(n):\n    return n\n"


@pytest.mark.parametrize(
    ("task", "before", "after", "found"),
    [
        ("f(1) == 2", {}, {"a.py": F}, ["a.py: f(1)"]),
        ("f(1) == 2", {}, {"a.py": "async def f(n): pass\n"}, ["a.py: f(1)"]),
        ("F(1).g() == 2", {}, {"a.py": "class F:\n    pass\n"}, ["a.py: F(1).g()"]),
        ("f(1) == 2", {"a.py": F}, {"a.py": F}, []),
        ("f(1) == 2", {"a.py": F}, {"a.py": F + "\n"}, ["a.py: f(1)"]),
        ("f(1) == 2", {}, {"a.py": "class A:\n    def f(n): pass\n"}, []),
        ("f(1) == 2", {}, {"a.js": "def f(n)"}, []),
        ("f(1) == 2", {}, {"a.js": "function f(n) {}\nmodule.exports = { f };"}, ["a.js: f(1)"]),
        ("f(1) == 2", {}, {"a.mjs": "export const f = (n) => n;"}, ["a.mjs: f(1)"]),
        ("f(1) == 2", {}, {"a.js": "exports.f = (n) => n;"}, ["a.js: f(1)"]),
        ("f(1) == 2", {}, {"a.js": "function f(n) {}\nf(1);"}, []),
        ("f(1) == 2", {}, {"a.test.js": "function f(n) {}\nmodule.exports = { f };"}, []),
        ("f({1}) == 2", {}, {"a.mjs": "export const f = (n) => n;"}, []),
        ("f(1, b=2) == 2", {}, {"a.mjs": "export const f = (n) => n;"}, []),
        ("f(1) == 2", {}, {"a.py": F, "a.mjs": "export const f = (n) => n;"}, []),
        ("f(1) == 2", {}, {"test_a.py": F}, []),
        ("f(1) == 2", {}, {"a.py": F, "tests/b.py": F}, ["a.py: f(1)"]),
        ("f(1) == 2", {}, {"a.py": F, "b.py": F}, []),
        ("In b.py f(1) == 2", {}, {"a.py": F, "b.py": F}, ["b.py: f(1)"]),
        ("b.f(1) == 2", {}, {"a.py": F, "x/b.py": F}, ["x/b.py: b.f(1)"]),
        ("c.f(1) == 2", {}, {"a.py": F}, []),
        ("f('d.csv') == 2", {}, {"a.py": F, "d.csv": "1"}, []),
        ("f('d.csv') == 2", {"d.csv": "1"}, {"a.py": F, "d.csv": "1"}, ["a.py: f('d.csv')"]),
        ("`python3 a.py 1` prints `2`", {}, {"a.py": F}, ["python3 a.py 1"]),
        ("`python3 b.py 1` prints `2`", {}, {"a.py": F}, []),
        ("`python3 a.py d.csv` prints `2`", {}, {"a.py": F}, []),
        ("`python3 a.py d.csv` prints `2`", {}, {"a.py": F, "d.csv": "1"}, []),
        (
            "`python3 a.py d.csv` prints `2`",
            {"d.csv": "1"},
            {"a.py": F, "d.csv": "1"},
            ["python3 a.py d.csv"],
        ),
        ("`python3 a.py` prints `2`", {}, {"a.py": F}, ["python3 a.py"]),
        ("`python3 a.py` prints `2`", {}, {"a.py": F, "d.csv": "1"}, ["python3 a.py"]),
        ("`python3 a.py` prints `2`", {}, {"a.py": "open('d' + '.csv')", "d.csv": "1"}, []),
        ("`python3 a.py` prints `2`", {}, {"a.py": "import b", "b.py": "read('d.csv')", "d.csv": "1"}, []),
        ("In a.py f(1) == 2", {}, {"a.py": "f = lambda n: n"}, ["a.py: f(1)"]),
        ("In a.py f(1) == 2", {}, {"a.py": "from b import g as f", "b.py": "def g(): 1"}, ["a.py: f(1)"]),
        ("In a.py f(1) == 2", {}, {"a.py": "if 1:\n    def f(n): pass"}, ["a.py: f(1)"]),
        ("In a.js f(1) == 2", {}, {"a.js": "const g = 1;\nmodule.exports = { f: g };"}, ["a.js: f(1)"]),
        ("In a.js f(1) == 2", {}, {"a.js": "f(1)"}, []),
        ("In a.py f(1) == 2", {}, {"a.py": "def g(): pass"}, []),
        ("In a.py and b.py f(1) == 2", {}, {"a.py": "f = 1", "b.py": "f = 2"}, []),
        ("f(1) == 2", {}, {"a.py": F, "x/a.py": F}, ["a.py: f(1)"]),
        ("In x/a.py f(1) == 2", {}, {"a.py": F, "x/a.py": F}, ["x/a.py: f(1)"]),
    ],
)
def test_what_can_be_run(task: str, before: dict[str, str], after: dict[str, str], found: list[str]) -> None:
    can_run = tied(stated_examples(task), task, snapshot(before), snapshot(after))
    calls = [f"{path}: {call.call}" for path, calls in can_run.calls.items() for call in calls]
    assert [*calls, *(command.command for command in can_run.commands)] == found
    assert bool(can_run) == bool(found)
