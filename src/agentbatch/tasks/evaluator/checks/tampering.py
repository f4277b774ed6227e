"""Which changes of files can make checks say what is not so. Pure; to be told is not to be refused."""

import json
import re
import sys
import tomllib
from collections.abc import Callable
from functools import lru_cache

from agentbatch.patterns import regex
from agentbatch.workspace.files.diff.diff import changes
from agentbatch.workspace.workspace import FileEntry, Snapshot

_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec", "specs", "testdata"})
_TEST_NAMES = regex(
    r"test_.*\.py|.*_tests?\.(py|go|c|cc|cpp|rb|rs|exs|dart|php)|.*_spec\.(rb|lua)|conftest\.py|"
    r".*\.(test|spec)\.[cm]?[jt]sx?|.*Tests?\.(java|kt|cs|swift|php|scala)|"
    r"(pytest\.ini|tox\.ini|(jest|vitest|karma|playwright)\.config\.[cm]?[jt]s)"
)
_STEERING = regex(
    r"conftest\.py|\.?pytest\.(ini|toml)|tox\.(ini|toml)|noxfile\.py|\.coveragerc|"
    r"(GNU)?[Mm]akefile|[Jj]ustfile|Taskfile\.ya?ml|"
    r"(jest|vitest|karma|playwright|cypress|ava|wdio|nightwatch|babel|mocha)\.config\.([cm]?[jt]s|json)|"
    r"\.(npm|yarn|mocha|nyc|c8|babel)rc([.]\w+)?|\.yarnrc\.yml|\.rspec|phpunit\.xml(\.dist)?|"
    r"(sitecustomize|usercustomize)\.py|.*\.pth|.*\.py[co]|"
    r"\.(bashrc|bash_profile|bash_aliases|bash_login|profile|zshrc|zshenv|zprofile|envrc|kshrc)"
)
"""What decides how checks run, wherever it stands."""
_STEERING_PATHS = regex(r"(.*/)?\.cargo/config(\.toml)?")

_SETUP_SECTIONS = regex(r"tool:pytest|pytest|coverage:.*|aliases|testenv.*")
_TOOLS = ("pytest", "coverage", "tox", "nox", "hatch", "pdm", "poe", "taskipy")
_PACKAGE_KEYS = ("scripts", "jest", "mocha", "ava", "vitest", "nyc", "c8", "tap", "overrides", "imports")

_CHECK_TOOLS = """
pytest _pytest pluggy iniconfig nose nose2 coverage hypothesis mock mypy ruff flake8 pylint pyflakes black tox
parameterized
"""
_MODULES = (sys.stdlib_module_names - {"this", "antigravity", "test"}) | {*_CHECK_TOOLS.split()}

MAX_DOTS = 300
"""In one line of a TOML file that is read here."""


def can_mislead(before: Snapshot, after: Snapshot, task: str) -> list[str]:
    """Paths, sorted. `task`: its text; what it asks for by name may be added."""
    made = changes(before, after)
    told = {*(path for path in (*made.modified, *made.deleted) if is_test(path))}
    told.update(path for path in (*made.modified, *made.deleted) if _steers(path, before, after))
    added = (path for path in made.added if _steers(path, before, after) or _shadows(path, after))
    told.update(path for path in added if not named_in(task, path))
    return sorted(told)


def named_in(task: str, path: str) -> bool:
    """The task's text has the file's name, as a word of its own."""
    return _names(task, path.rsplit("/", 1)[-1])


@lru_cache(maxsize=4096)
def _names(task: str, name: str) -> bool:
    if not may_name(task, name):
        return False
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", task, re.IGNORECASE) is not None


def may_name(task: str, name: str) -> bool:
    """False of most names: to look for each by an expression of its own takes a hundred times as long, and a coder can
    make as many files as it likes."""
    return name.casefold() in _folded(task)


@lru_cache(maxsize=8)
def _folded(task: str) -> str:
    return task.casefold()


def is_test(path: str) -> bool:
    """It looks like a test."""
    *folders, name = path.split("/")
    return bool(_TEST_FOLDERS.intersection(folders)) or _TEST_NAMES.fullmatch(name) is not None


def _steers(path: str, before: Snapshot, after: Snapshot) -> bool:
    name = path.rsplit("/", 1)[-1]
    old, new = before.files.get(path), after.files.get(path)
    if name in _READERS:
        read = _READERS[name]
        return read(old) != read(new) or any(entry is not None and entry.text is None for entry in (old, new))
    return _STEERING.fullmatch(name) is not None or _STEERING_PATHS.fullmatch(path) is not None


def _pyproject(entry: FileEntry | None) -> object:
    if entry and not is_readable_toml(entry.text or ""):
        return entry
    try:
        tools = tomllib.loads(entry.text or "").get("tool", {}) if entry else {}
        return {name: tools[name] for name in _TOOLS if name in tools}
    except (ValueError, TypeError, RecursionError):
        return entry


def is_readable_toml(text: str) -> bool:
    """Reading it takes no longer than it should: of a key with many dots, every part is looked up anew."""
    return all(line.count(".") <= MAX_DOTS for line in text.split("\n"))


def _setup_cfg(entry: FileEntry | None) -> object:
    """The lines of the sections that steer checks, without blank ones."""
    wanted, kept = False, []
    for line in (entry.text or "").splitlines() if entry else ():
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            wanted = _SETUP_SECTIONS.fullmatch(text.strip("[] ")) is not None
        if wanted and text and not text.startswith("#"):
            kept.append(text)
    return kept


def _package(entry: FileEntry | None) -> object:
    try:
        document = json.loads(entry.text or "{}") if entry else {}
        return {key: document[key] for key in _PACKAGE_KEYS if document.get(key)}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return entry


_READERS: dict[str, Callable[[FileEntry | None], object]] = {
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "package.json": _package,
}
"""Of files with much else in them, what steers checks; a file that cannot be read stands for itself."""


def _shadows(path: str, after: Snapshot) -> bool:
    """A Python check would import it in the place of the standard library, or of a tool: `unittest.py` beside the tests
    decides what they say. Inside of a package it is a name like any other; but a compiled module comes before
    the source beside it everywhere."""
    if not path.endswith((".py", ".so", ".pyd")):
        return False
    *folders, name = parts = path.split("/")
    source = "/".join((*folders, f"{name.split('.')[0]}.py"))
    if not name.endswith(".py") and source in after.files:
        return True
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        inside = "/".join(parts[: place + 1])
        # A folder without __init__.py gives way to any module of that name.
        is_module = last or f"{inside}/__init__.py" in after.files
        if is_module and part.split(".")[0] in _MODULES and _is_import_root("/".join(parts[:place]), after):
            return True
    return False


def _is_import_root(folder: str, after: Snapshot) -> bool:
    """The top, `src`, and folders with tests that are no package: pytest imports from there."""
    if folder in ("", "src"):
        return True
    inside = f"{folder}/"
    return f"{inside}__init__.py" not in after.files and any(
        path.startswith(inside)
        and "/" not in (name := path.removeprefix(inside))
        and _TEST_NAMES.fullmatch(name)
        for path in after.files
    )
