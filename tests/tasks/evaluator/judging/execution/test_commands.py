"""What a command's text tells: a table."""

from dataclasses import replace

import pytest

from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.tasks.evaluator.judging.execution.commands import (
    changed_until,
    executes,
    failed_last,
    hides_failure,
    only_looks,
    ran_well,
)
from agentbatch.workspace.workspace import CommandRecord


def ran(command: str, code: int | None = 0, tail: str = "") -> CommandRecord:
    return CommandRecord(command, code, tail, 0.1)


@pytest.mark.parametrize(
    "command",
    [
        "python3 prog.py",
        "python3.11 -B prog.py 3 5",
        "cd src && PYTHONPATH=. A=b python3 -m prog",
        "echo 3 | python3 prog.py -",
        "time python3 prog.py",
        "timeout 5 node app.js",
        "for n in 1 2; do python3 prog.py $n; done",
        "if python3 prog.py; then echo yes; fi",
        'test "$(python3 prog.py 3 5)" = 8',
        "./run.sh",
        "../tools/run",
        "bash run.sh",
        "sh -c 'python3 prog.py'",
        "pytest -q",
        "npm test",
        "make check",
        ". ./env.sh",
        "cat > t.py <<'EOF'\nprint(1)\nEOF\npython3 t.py",
        "python3 - <<'EOF'\nimport prog\nEOF",
        "! python3 prog.py x",
    ],
)
def test_what_executes(command: str) -> None:
    assert executes(command)
    assert not only_looks(command)


@pytest.mark.parametrize(
    "command",
    [
        "cat prog.py",
        "ls -la",
        "echo python3",
        "cat > prog.py <<'EOF'\npython3 is here\n./run.sh\nEOF",
        "cat <<EOF > run.sh\npython3 prog.py\nEOF",
        "cat > prog.py <<'EOF'\npython3 never ends",
        "python3 --version",
        "node --version",
        "which python3",
        "grep -n python3 README.md",
        "mkdir -p site && touch site/a",
        "pip install flask",
        "sed -i s/a/b/ prog.py",
        "pythonic prog.py",
        "make-believe",
        "chmod +x run.sh",
        "",
        "cat " + "x" * 100_000 + "; python3 prog.py",
    ],
)
def test_what_does_not(command: str) -> None:
    assert not executes(command)


@pytest.mark.parametrize(
    ("command", "looks"),
    [
        ("grep -q x a", True),
        ("cd src && ls | wc -l", True),
        ("test -f a || echo no", True),
        ("[ -f a ]", True),
        ("git diff --exit-code", True),
        ("grep x a && python3 b.py", False),
        ("mkdir a", False),
        ("lsof -i", False),
    ],
)
def test_what_only_looks(command: str, looks: bool) -> None:
    assert only_looks(command) is looks


def test_what_ran_well() -> None:
    assert ran_well(ran("python3 prog.py"))
    assert not ran_well(ran("python3 prog.py", 1))
    assert not ran_well(ran("python3 prog.py", None))
    assert not ran_well(ran("cat prog.py"))
    assert not ran_well(ran("python3 prog.py | tail -3", 0, "Traceback (most recent call last):\n  ..."))
    assert not ran_well(ran("python3 prog.py; echo 0", 0, "0"))
    assert ran_well(ran('python3 prog.py; echo "exit: $?"', 0, "8\nexit: 0"))
    assert not ran_well(ran("python3 prog.py; echo exit $?", 0, "8\nexit 10"))
    assert not ran_well(ran("python3 prog.py || true; echo $?", 0, "0"))
    assert not ran_well(ran("python3 prog.py; cat prog.py", 0, "Traceback (most recent call last):\n  ..."))


@pytest.mark.parametrize(
    ("command", "hidden"),
    [
        ("python3 prog.py 2>/dev/null || true; python3 -c 1", True),
        ("python3 prog.py || :", True),
        ("python3 prog.py || echo failed", True),
        ("python3 prog.py; echo 8", True),
        ("(python3 prog.py; true)", True),
        ("{ python3 prog.py\nexit 0; }", True),
        ("python3 prog.py || exit 1", False),
        ("cd src; python3 prog.py", False),
        ("python3 prog.py && echo good", False),
        ("ls; echo 3 | python3 prog.py", False),
        ("for n in 1 2; do python3 prog.py $n; done", False),
        ("cat > t.py <<'EOF'\nx = 1; echo 8\nEOF\npython3 t.py", False),
    ],
)
def test_what_ends_well_in_any_case(command: str, hidden: bool) -> None:
    assert hides_failure(command) is hidden
    assert ran_well(ran(command)) is not hidden


FAILED = ran("python3 prog.py", 1)
GOOD = ran("python3 prog.py")
LOOK = ran("grep -n TODO prog.py", 1)


@pytest.mark.parametrize(
    ("commands", "tried_from", "checks", "runs", "last"),
    [
        ([GOOD, FAILED], 0, [], [], 1),
        ([FAILED, GOOD], 0, [], [], None),
        ([FAILED], 1, [], [], None),
        ([FAILED, LOOK], 0, [], [], 0),
        ([GOOD, LOOK], 0, [], [], None),
        ([LOOK], 0, [], [], None),
        ([ran("sleep 60", None)], 0, [], [], 0),
        ([replace(ran("sleep 60", None), told=True)], 0, [], [], None),  # how it ended is not told
        ([FAILED], 0, [CheckResult("make test", 0, "", 1.0)], [], None),
        ([FAILED], 0, [CheckResult("make test", 1, "", 1.0)], [], 0),
        ([FAILED], 0, [CheckResult("make test", 0, "", 1.0, "tests")], [], 0),
        ([FAILED], 0, [CheckResult(" python3  prog.py", 0, "", 1.0, "tests")], [], None),
        ([FAILED], 0, [CheckResult("python3 prog.py", 0, "", 1.0, "sound", ran=False)], [], 0),
        ([FAILED], 0, [CheckResult("python3 prog.py", 1, "", 1.0, "tests")], [], 0),
        ([FAILED], 0, [], [GOOD], None),
        ([FAILED], 0, [], [FAILED], 0),
        ([], 0, [], [], None),
    ],
)
def test_the_last_command_after_the_last_change(
    commands: list[CommandRecord],
    tried_from: int,
    checks: list[CheckResult],
    runs: list[CommandRecord],
    last: int | None,
) -> None:
    assert failed_last(commands, tried_from, checks, runs) == last


@pytest.mark.parametrize(
    ("command", "until"),
    [
        ("cat > prog.py <<'EOF'\nprint(1)\nEOF", 2),
        ("cat >> src/prog.py <<'EOF'\nprint(1)\nEOF", 2),
        ('echo "print(1)" > "prog.py"', 2),
        ("sed -i s/a/b/ prog.py", 2),
        ("mv new.py prog.py", 2),
        ("git checkout prog.py", 2),
        ("cat prog.py 2>&1", 0),
        ("grep 'a > b' prog.py", 0),
        ("python3 prog.py > out.txt", 0),
        ("echo x > notes.md", 0),
        ("sed -i s/a/b/ notes.md", 0),
        ("ls", 0),
    ],
)
def test_a_change_that_a_command_made(command: str, until: int) -> None:
    assert changed_until([GOOD, ran(command), LOOK], 0, {"src/prog.py": 0.0}) == until
    assert changed_until([GOOD, ran(command), LOOK], 3, {"src/prog.py": 0.0}) == 3


@pytest.mark.parametrize(
    ("commands", "when", "until"),
    [
        (["python3 prog.py", "python3 x.py"], 15.5, 1),
        (["python3 prog.py", "f=prog; echo 'print(9)' > $f.py"], 15.5, 1),
        (["python3 prog.py", "ln -f q.txt prog.py", "python3 prog.py"], 15.5, 1),
        (["python3 prog.py", "python3 prog.py"], 5.0, 0),
        (["python3 prog.py", "cd . && chmod +x prog.py"], 15.5, 0),
        (["python3 prog.py", "chmod +x prog.py > $f"], 15.5, 1),
        (["python3 prog.py", "ls", "f=other; echo > $f.py"], 15.5, 0),
        (["python3 prog.py"], 15.5, 0),
        (["python3 prog.py 2>&1"], 9.5, 1),
        (["python3 gen.py"], 9.5, 0),
        (["echo 'print(8)' > prog.py && python3 prog.py"], 9.5, 0),
    ],
)
def test_a_change_that_the_time_of_the_file_tells(commands: list[str], when: float, until: int) -> None:
    records = [CommandRecord(text, 0, "", 1.0, 10.0 * n) for n, text in enumerate(commands, 1)]
    assert changed_until(records, 0, {"src/prog.py": when}) == until


def test_what_ended_nobody_knows_when_ran_before_the_change() -> None:
    assert changed_until([ran("python3 prog.py"), ran("python3 prog.py")], 0, {"prog.py": 15.5}) == 1
