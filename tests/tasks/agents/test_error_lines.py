"""Finding the error and its place in what real tools print."""

import pytest

from agentbatch.tasks.agents.error_lines import MAX_LINE, ErrorPlace, failure_key, find_error

PYTHON = """\
Traceback (most recent call last):
  File "/work/t/main.py", line 12, in <module>
    run()
  File "/work/t/lib/own.py", line 3, in run
    json.loads("")
  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"""

SYNTAX = """\
  File "/work/t/a.py", line 2
    print("a
          ^
SyntaxError: unterminated string literal (detected at line 2)"""

INLINE = """\
Traceback (most recent call last):
  File "<string>", line 1, in <module>
AssertionError"""

UNITTEST = """\
FAIL: test_a (test_a.T.test_a)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/work/t/test_a.py", line 5, in test_a
    self.assertEqual(f(1), 2)
AssertionError: 1 != 2

----------------------------------------------------------------------
Ran 1 test in 0.001s

FAILED (failures=1)"""

PYTEST = """\
    def test_a():
>       assert f(1) == 2
E       assert 1 == 2

test_a.py:4: AssertionError
=========================== short test summary info ============================
FAILED test_a.py::test_a - assert 1 == 2
============================== 1 failed in 0.02s ==============================="""

GCC = "a.c: In function 'main':\na.c:3:5: error: 'x' undeclared\nmake: *** [Makefile:2: a] Error 1"
RUST = "error[E0425]: cannot find value `x` in this scope\n --> src/main.rs:2:5\n  |\n2 |     x\n"
NODE = (
    "/work/t/a.js:1\nlet x = y;\n\nReferenceError: y is not defined\n"
    "    at Object.<anonymous> (/work/t/a.js:1:9)\n    at node:internal/main/run_main_module:23:47"
)
GO = "# command-line-arguments\n./a.go:4:2: undefined: y"
TSC = "a.ts(3,5): error TS2304: Cannot find name 'y'."
SHELL = "./run.sh: line 3: foo: command not found"


@pytest.mark.parametrize(
    ("output", "error", "place"),
    [
        (PYTHON, "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)", "lib/own.py:3"),
        (SYNTAX, "SyntaxError: unterminated string literal (detected at line 2)", "a.py:2"),
        (INLINE, "AssertionError", ""),
        (UNITTEST, "AssertionError: 1 != 2", "test_a.py:5"),
        (PYTEST, "FAILED test_a.py::test_a - assert 1 == 2", "test_a.py:4"),
        (GCC, "a.c:3:5: error: 'x' undeclared", "a.c:3"),
        (RUST, "error[E0425]: cannot find value `x` in this scope", "src/main.rs:2"),
        (NODE, "ReferenceError: y is not defined", "a.js:1"),
        (GO, "./a.go:4:2: undefined: y", "a.go:4"),
        (TSC, "a.ts(3,5): error TS2304: Cannot find name 'y'.", "a.ts:3"),
        (SHELL, "./run.sh: line 3: foo: command not found", "run.sh:3"),
        ("one\ntwo: it is wrong\n\n", "two: it is wrong", ""),
        ("It started at 12:30:45 and ended.", "It started at 12:30:45 and ended.", ""),
        ("", "", ""),
    ],
)
def test_the_error_and_its_place(output: str, error: str, place: str) -> None:
    assert find_error(output, "/work/t") == ErrorPlace(error, place)


def test_what_is_quoted_is_bounded() -> None:
    spot = find_error("ValueError: " + "x" * 100_000, "/work/t")
    assert len(spot.error) == MAX_LINE
    assert find_error("a" * 100_000 + ".py:3: error: " + "/" * 100_000, "/").place == ""


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (PYTHON, PYTHON.replace("line 3", "line 30").replace("json.loads", "j.loads"), True),
        (UNITTEST, UNITTEST.replace("0.001s", "1.5s").replace("f(1)", "g(1)"), True),
        ("at 0x7f01 failed", "at 0x7f99 failed", True),
        (GCC, GCC.replace("a.c:3:5", "a.c:4:9"), True),
        (PYTHON, PYTHON.replace("Expecting value", "Extra data"), False),
        (UNITTEST, UNITTEST.replace("1 != 2", "3 != 2"), False),
        (UNITTEST, UNITTEST.replace("failures=1", "failures=2"), False),
        (PYTEST, PYTEST.replace("1 failed", "1 failed, 3 passed"), False),
        ("", "x", False),
    ],
)
def test_two_failures_are_the_same(one: str, other: str, same: bool) -> None:
    assert (failure_key(1, one) == failure_key(1, other)) is same
    assert failure_key(1, one) != failure_key(None, one)
