"""Which tests a project has, found in what its files say. Pure; nothing is guessed from names alone."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.tampering import is_readable_toml, is_test
from agentbatch.workspace.workspace import Snapshot

PYTEST = "python3 -B -m pytest -q -x --no-header -p no:cacheprovider"
UNITTEST = "python3 -B -m unittest -q"
NPM = "CI=1 npm test --silent"
CARGO = "cargo test -q"
GO = "go test ./..."
MAKE = "make -s test"

_PYTHON_TEST = regex(r"(?:.*/)?(?:test_[^/]*|[^/]*_test)\.py")
_UNITTEST_NAME = regex(r"(?:.*/)?test[^/]*\.py")
_PYTEST_STYLE = regex(r"^(?:import pytest|from pytest|(?:async )?def test_)", re.MULTILINE)
_TEST_CASE = regex(r"^class \w+\([^)\n]{0,200}TestCase\b", re.MULTILINE)
_INI_SECTION = {"tox.ini": "[pytest]", "setup.cfg": "[tool:pytest]"}
_NO_SCRIPT = regex(r"no test specified|--watch\b|^(?:true|exit 0|:)?$")
_RUST_TEST = regex(r"^[ \t]*#\[(?:\w+::)?test\b", re.MULTILINE)
_TEST_TARGET = regex(r"^test[ \t]*:(?!=)", re.MULTILINE)


def found_tests(files: Snapshot) -> tuple[str, ...]:
    """Command lines that run them, in the project's own directory: one for each kind of project that it is, `make test`
    where there is none else."""
    found = [command for command in (*_python(files), _npm(files), _cargo(files), _go(files)) if command]
    return tuple(found or ([MAKE] if _has_target(files) else []))


def _python(files: Snapshot) -> Iterator[str]:
    """pytest where the tests are written for it or it is set up, unittest where that is all they need."""
    tests = {
        path: text for path in files.files if _PYTHON_TEST.fullmatch(path) and (text := _text(files, path))
    }
    if not tests:
        return
    if _pytest_is_set_up(files) or any(map(_PYTEST_STYLE.search, tests.values())):
        yield PYTEST
    elif any(_TEST_CASE.search(text) for path, text in tests.items() if _UNITTEST_NAME.fullmatch(path)):
        yield f"{UNITTEST} discover{_discovery(files, tests)}" if _discovery(files, tests) else UNITTEST


def _discovery(files: Snapshot, tests: dict[str, str]) -> str:
    """unittest looks for tests in packages alone; those of a plain folder have to be named."""
    folders = {path.rpartition("/")[0] for path in tests}
    if len(folders) != 1:
        return ""
    (folder,) = folders
    return f" -s {folder}" if folder.isalnum() and f"{folder}/__init__.py" not in files.files else ""


def _pytest_is_set_up(files: Snapshot) -> bool:
    if {"pytest.ini", ".pytest.ini", "conftest.py", "tests/conftest.py"} & files.files.keys():
        return True
    if any(section in _text(files, path) for path, section in _INI_SECTION.items()):
        return True
    text = _text(files, "pyproject.toml")
    try:
        tools = tomllib.loads(text).get("tool") if is_readable_toml(text) else None
    except (ValueError, RecursionError):
        return False
    return isinstance(tools, dict) and "pytest" in tools


def _npm(files: Snapshot) -> str:
    package = _json(_text(files, "package.json"))
    scripts = package.get("scripts")
    script = scripts.get("test") if isinstance(scripts, dict) else None
    if not isinstance(script, str) or _NO_SCRIPT.search(script.strip()):
        return ""
    needs = bool(package.get("dependencies") or package.get("devDependencies"))
    return f"test -d node_modules || exit 127; {NPM}" if needs else NPM


def _cargo(files: Snapshot) -> str:
    rust = [path for path in files.files if path.endswith(".rs")]
    return (
        CARGO if "Cargo.toml" in files.files and any(_RUST_TEST.search(_text(files, p)) for p in rust) else ""
    )


def _go(files: Snapshot) -> str:
    return GO if "go.mod" in files.files and any(path.endswith("_test.go") for path in files.files) else ""


def _has_target(files: Snapshot) -> bool:
    makefiles = [_text(files, name) for name in ("GNUmakefile", "makefile", "Makefile")]
    return any(map(_TEST_TARGET.search, makefiles)) and any(map(is_test, files.files))


def _text(files: Snapshot, path: str) -> str:
    entry = files.files.get(path)
    return (entry.text or "") if entry and entry.kind == "file" else ""


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
