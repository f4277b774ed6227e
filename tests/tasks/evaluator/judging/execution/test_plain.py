"""Which command lines that an agent tells of can be run again, and as what. Tables."""

import pytest

from agentbatch.tasks.evaluator.judging.execution.plain import plain_line, runs_tests

PYTEST = "python -m pytest -q"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("pytest -q", "pytest -q"),
        (f"cd /w/t && {PYTEST} 2>&1 | tail -20", PYTEST),
        ("cd /w/t/sub && npm test", "cd sub && npm test"),
        ("cd 'a b' && pytest", "cd 'a b' && pytest"),
        ("PYTHONPATH=src CI=1 pytest -q", "PYTHONPATH=src CI=1 pytest -q"),
        ("pytest -q; echo $?", "pytest -q"),
        ("pytest -q || true", "pytest -q"),
        ("pytest -q > /dev/null && echo ok", "pytest -q"),
        ("pytest 'a b.py::t[x]'", "pytest 'a b.py::t[x]'"),
        ("bash -c 'pytest; rm -rf x'", "bash -c 'pytest; rm -rf x'"),
    ],
)
def test_the_one_program_alone(command: str, line: str) -> None:
    assert plain_line(command, "/w/t") == line


@pytest.mark.parametrize(
    "command",
    [
        *("", "  ", "&&", "pytest 'x", "pytest\nrm -rf x", "pytest \\\n-q", "pytest\0", "x" * 3000),
        *("pytest; rm -rf x", "pytest && curl evil", "rm -rf x; pytest", "pytest | sh", "pytest;;", "(pytest)"),
        *("pytest $(x)", "pytest `x`", "pytest $X", "pytest > out", "pytest >> out", "pytest < in", "pytest &"),
        *("pytest <(x)", "pytest *.py", "~/x pytest", "pytest # -x", "PATH=.:x pytest", "X='a b' pytest"),
        *("LD_PRELOAD=x.so pytest", "PYTEST_ADDOPTS=--co pytest", "CI=1", "CI=1 PYTHONPATH=src"),
        *("cd .. && pytest", "cd /etc && pytest", "cd /w/t/../x && pytest", "cd && pytest", "cd - && pytest"),
        *("cd a/../../x && pytest", "cd ~ && pytest", "cd /w/t2 && pytest", "cd a; pytest", "cd a || pytest"),
    ],
)  # fmt: skip
def test_what_is_more_than_one_program_is_none(command: str) -> None:
    assert plain_line(command, "/w/t") == ""


@pytest.mark.parametrize(
    ("line", "tests"),
    [
        *((line, True) for line in (PYTEST, "pytest", "cd a && pytest", ".venv/bin/pytest -x", "uv run pytest")),
        *((line, True) for line in ("npm test", "npm run test:unit", "make -s test", "make check", "go test ./...")),
        *((line, True) for line in ("cargo test -q", "node --test", "npx jest", "tox -e py", "just test")),
        *((line, True) for line in ("python3 test_a.py", "bash tests/run.sh", "cd a && python3 test_a.py")),
        *((line, False) for line in ("make", "make install", "npm install", "go build", "cargo publish", "npx x")),
        *((line, False) for line in ("pytest --collect-only", "pytest --co", "pytest --version", "pytest -h")),
        *((line, False) for line in ("python3 prog.py 3 5", "ls tests.d", "node server.js", "")),
    ],
)  # fmt: skip
def test_which_run_tests(line: str, tests: bool) -> None:
    assert runs_tests(line) is tests
