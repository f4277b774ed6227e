"""Which tests a project has: a table, half of it traps."""

import json

import pytest

from agentbatch.tasks.evaluator.checks.facts.found_tests import (
    CARGO,
    GO,
    MAKE,
    NPM,
    PYTEST,
    UNITTEST,
    found_tests,
)
from agentbatch.workspace.workspace import FileEntry, Snapshot

CASE = "import unittest\n\nclass A(unittest.TestCase):\n    def test_a(self): pass\n"
PLAIN = "def test_a():\n    assert True\n"


def package(test: object, **more: object) -> str:
    return json.dumps({"scripts": {"test": test}, **more})


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        ({}, []),
        ({"a.py": "x = 1\n"}, []),
        ({"test_a.py": PLAIN}, [PYTEST]),
        ({"tests/test_a.py": "import pytest\n"}, [PYTEST]),
        ({"a_test.py": PLAIN}, [PYTEST]),
        ({"test_a.py": CASE}, [UNITTEST]),
        ({"tests/test_a.py": CASE}, [f"{UNITTEST} discover -s tests"]),
        ({"tests/test_a.py": CASE, "tests/__init__.py": ""}, [UNITTEST]),
        ({"test_a.py": CASE, "pytest.ini": ""}, [PYTEST]),
        ({"test_a.py": CASE, "pyproject.toml": "[tool.pytest.ini_options]\n"}, [PYTEST]),
        ({"test_a.py": CASE, "pyproject.toml": "[tool.black]\n"}, [UNITTEST]),
        ({"test_a.py": CASE, "pyproject.toml": "[tool\n"}, [UNITTEST]),
        ({"test_a.py": CASE, "setup.cfg": "[tool:pytest]\n"}, [PYTEST]),
        ({"pytest.ini": "", "a.py": PLAIN}, []),
        ({"test_data.py": "DATA = 1\n"}, []),
        ({"contest.py": PLAIN, "tests/helper.py": PLAIN}, []),
        ({"package.json": package("node --test")}, [NPM]),
        (
            {"package.json": package("jest", devDependencies={"jest": "1"})},
            [f"test -d node_modules || exit 127; {NPM}"],
        ),
        ({"package.json": package('echo "Error: no test specified" && exit 1')}, []),
        ({"package.json": package("jest --watch")}, []),
        ({"package.json": package("")}, []),
        ({"package.json": package(["a"])}, []),
        ({"package.json": "[1]"}, []),
        ({"package.json": "{"}, []),
        ({"package.json": '{"scripts": 1}'}, []),
        ({"sub/package.json": package("node --test")}, []),
        ({"Cargo.toml": "", "src/lib.rs": "fn a() {}\n#[test]\nfn b() {}\n"}, [CARGO]),
        ({"Cargo.toml": "", "src/lib.rs": "#[tokio::test]\nasync fn b() {}\n"}, [CARGO]),
        ({"Cargo.toml": "", "src/lib.rs": "fn a() {}\n"}, []),
        ({"go.mod": "", "a_test.go": ""}, [GO]),
        ({"a_test.go": ""}, []),
        ({"go.mod": "", "a.go": ""}, []),
        ({"Makefile": "all:\n\ntest: all\n\t./test.sh\n", "tests/run.sh": ""}, [MAKE]),
        ({"Makefile": "test :\n\tx\n", "test_x.py": ""}, [MAKE]),
        ({"Makefile": "test := 1\n", "tests/a": ""}, []),
        ({"Makefile": "tests:\n\tx\n", "tests/a": ""}, []),
        ({"Makefile": "test:\n\tx\n"}, []),
        ({"Makefile": "test:\n\tx\n", "test_a.py": PLAIN}, [PYTEST]),
        ({"test_a.py": PLAIN, "package.json": package("node --test")}, [PYTEST, NPM]),
    ],
)
def test_what_is_found(files: dict[str, str], commands: list[str]) -> None:
    entries = {path: FileEntry(text, len(text), text, False) for path, text in files.items()}
    assert list(found_tests(Snapshot(entries))) == commands
