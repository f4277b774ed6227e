"""What commands have run or imported."""

from dataclasses import replace

import pytest

from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.tasks.evaluator.judging.execution.reached import (
    MAX_CHANGED,
    not_reached,
    runs_work,
    to_be_loaded,
)
from tests.tasks.evaluator.judging.scene import ran, snapshot


@pytest.mark.parametrize(
    ("files", "command", "left"),
    [
        ({"run.py": "", "ok.py": ""}, "python3 ok.py", ["run.py"]),
        ({"run.py": "", "ok.py": "import run\n"}, "python3 ok.py", []),
        ({"run.py": "", "ok.py": "from run import main\n"}, "cd . && python3 ./ok.py 3", []),
        ({"run.py": "", "pkg/ok.py": "", "pkg/__init__.py": "x"}, "python3 -m pkg.ok", ["run.py"]),
        ({"run.py": "", "ok.py": ""}, "python3 -c 'import ok; import run'", []),
        ({"run.py": "", "ok.py": "", "test_ok.py": "from ok import f"}, "pytest -q", ["run.py"]),
        ({"a.py": "", "b.py": "", "Makefile": "all:\n\tpython3 a.py\n"}, "make", ["b.py"]),
        ({"a.js": "", "b.js": "", "c.js": "require('./b')"}, "node c.js", ["a.js"]),
        ({"pkg/a.py": "", "ok.py": "from pkg import a, b"}, "python3 ok.py", []),
        ({"run.sh": "", "ok.sh": ""}, "bash ok.sh", ["run.sh"]),
        ({"ok.py": "x"}, "", ["ok.py"]),
    ],
)
def test_what_no_command_reaches(files: dict[str, str], command: str, left: list[str]) -> None:
    programs = [path for path in files if "test" not in path and path.endswith((".py", ".js", ".sh"))]
    assert not set(not_reached(programs, [command] if command else [], snapshot(files))) ^ set(left)


@pytest.mark.parametrize(
    ("command", "runs"),
    [
        ("python3 run.py", True),
        ("python3 -c 'import run'", True),
        ("python3 old.py", True),
        ("pytest -q", True),
        ("python3 -c 'print(8)'", False),
        ("python3 other.py", False),
        ("python3 run.py; echo 8", False),
    ],
)
def test_what_runs_the_work(command: str, runs: bool) -> None:
    after = snapshot({"run.py": "x", "old.py": "import run", "other.py": "x"})
    assert runs_work(ran(command), ["run.py"], after) is runs
    assert runs_work(ran("python3 -c 'print(8)'"), [], after)


OWN = CheckResult("calls", 0, "", 0.1, "own", details="f(1) == 2")
SCRIPT = CheckResult("python3 -c 1", 0, "", 0.1, "own")
TESTS = CheckResult("python3 -m pytest", 0, "", 0.1, "tests")
VERIFY = CheckResult("make", 0, "", 0.1)


@pytest.mark.parametrize(
    ("files", "checks", "left"),
    [
        (["a.py"], [OWN], []),
        (["a.py"], [SCRIPT], ["a.py"]),
        (["a.py", "b.py"], [OWN], ["a.py", "b.py"]),
        (["a.py", "b.py"], [VERIFY], []),
        (["a.py"], [TESTS], ["a.py"]),
        (["a.py", "test_b.py"], [TESTS], ["a.py"]),
        (["a.py", "test_a.py"], [], ["a.py"]),
        (["notes.md"], [], []),
        (["fixtures/a.py", "invalid_a.py", "b.py"], [], ["b.py"]),
    ],
)
def test_what_is_loaded(files: list[str], checks: list[CheckResult], left: list[str]) -> None:
    after = snapshot(dict.fromkeys(files, "x = 1\n"))
    assert list(to_be_loaded(snapshot({}), after, checks, [ran("python3 b.py", "boom", 1)], "t")) == left


@pytest.mark.parametrize(("told", "left"), [(False, []), (True, ["a.py"])])
def test_what_is_only_told_spares_nothing_its_loading(told: bool, left: list[str]) -> None:
    """An agent can tell of any command that it never ran."""
    record = replace(ran("python3 a.py", "8\n"), told=told)
    assert list(to_be_loaded(snapshot({}), snapshot({"a.py": "x = 1\n"}), [], [record], "t")) == left


def test_of_very_many_programs_the_rest_is_not_reached() -> None:
    files = dict.fromkeys((f"a{n}.py" for n in range(MAX_CHANGED + 2)), "import a1\n")
    named = " ".join(files)
    assert len(not_reached([*files], [named], snapshot(files))) >= 2
