"""Which changes of files can make a task's checks say what is not so."""

import pytest

from agentbatch.tasks.evaluator.checks.tampering import can_mislead, named_in
from agentbatch.workspace.workspace import FileEntry, Snapshot


def snapshot(files: dict[str, str | None]) -> Snapshot:
    entries = {
        path: FileEntry(f"{hash(text)}", len(text or ""), text, False) for path, text in sorted(files.items())
    }
    return Snapshot(entries)


def told(before: dict[str, str | None], after: dict[str, str | None], task: str = "Do it.") -> list[str]:
    return can_mislead(snapshot(before), snapshot(after), task)


def test_tests_that_were_changed_or_deleted() -> None:
    tests = [
        "tests/anything.txt", "test_a.py", "a/b_test.py", "a_test.go", "x.spec.ts", "x.test.jsx",
        "src/FooTest.java", "foo_spec.rb", "__tests__/a.js", "testdata/x.json",
    ]  # fmt: skip
    others = ["contest.py", "latest.py", "src/main.py", "attest/a.py", "test.md", "protest.go"]
    files: dict[str, str | None] = dict.fromkeys([*tests, *others], "x")
    assert told(files, {}) == sorted(tests)
    assert told(files, dict.fromkeys(files, "y")) == sorted(tests)
    assert told({}, files) == [], "new tests are no harm to old ones"


def test_what_steers_checks_wherever_it_stands() -> None:
    steering = [
        "conftest.py", "a/b/conftest.py", "pytest.ini", ".pytest.ini", "tox.ini", "noxfile.py", ".coveragerc",
        "Makefile", "sub/GNUmakefile", "makefile", "justfile", "jest.config.js", "vitest.config.mts",
        "web/playwright.config.ts", "babel.config.json", ".npmrc", ".mocharc.yml", ".mocharc", ".nycrc.json", ".rspec",
        "sitecustomize.py", "lib/usercustomize.py", "x.pth", "prog.pyc", "a/json.pyo", ".bashrc", ".profile", ".envrc",
        ".cargo/config.toml", "phpunit.xml.dist",
    ]  # fmt: skip
    others = [
        "confest.py", "Makefile.md", "make.py", "jest.config.md", "npmrc", "a.pycx", "profile", "cargo/config.toml",
        "config.toml", "setup.py", "tox.md", "path", "xpth",
    ]  # fmt: skip
    files: dict[str, str | None] = dict.fromkeys([*steering, *others], "x")
    assert told({}, files) == sorted(steering)
    assert told(files, dict.fromkeys(files, "y")) == sorted(steering)
    assert told(files, {}) == sorted(steering)


PYTEST = '[project]\nname = "x"\n\n[tool.pytest.ini_options]\naddopts = "-q"\n'


@pytest.mark.parametrize(
    ("path", "before", "after", "is_told"),
    [
        ("pyproject.toml", None, '[project]\nname = "x"\n', False),
        ("pyproject.toml", None, PYTEST, True),
        ("pyproject.toml", PYTEST, PYTEST.replace('"x"', '"y"'), False),
        ("pyproject.toml", PYTEST, PYTEST.replace("-q", "--collect-only"), True),
        ("pyproject.toml", PYTEST, "tool.pytest.ini_options.addopts = '-q'\n", False),
        ("pyproject.toml", "", "[tool]\npytest = {ini_options = {addopts = '--co'}}\n", True),
        ("pyproject.toml", PYTEST, "[tool.pytest", True),
        ("pyproject.toml", PYTEST, "tool = 1", True),
        ("a/setup.cfg", "[metadata]\nname = x\n", "[metadata]\nname = y\n", False),
        (
            "a/setup.cfg",
            "[metadata]\nname = x\n",
            "[metadata]\nname = x\n[tool:pytest]\naddopts = --co\n",
            True,
        ),
        ("package.json", None, '{"name": "x", "dependencies": {"a": "1"}}', False),
        ("package.json", None, '{"scripts": {"test": "true"}}', True),
        ("package.json", '{"scripts": {"test": "jest"}}', '{"scripts": {"test": "true"}}', True),
        (
            "package.json",
            '{"scripts": {"test": "jest"}}',
            '{"scripts": {"test": "jest"}, "version": "2"}',
            False,
        ),
        ("package.json", '{"scripts": {"test": "jest"}}', "{", True),
        ("package.json", '{"scripts": {"test": "jest"}}', "[]", True),
        ("package.json", "{}", "[" * 60_000, True),
    ],
)
def test_of_a_file_with_much_else_in_it_only_what_steers_checks(
    path: str, before: str | None, after: str, is_told: bool
) -> None:
    old: dict[str, str | None] = {} if before is None else {path: before}
    assert told(old, {path: after}) == ([path] if is_told else [])
    assert told(old, {path: None}) == [path], "its text is not known"


@pytest.mark.parametrize(
    ("path", "others", "is_told"),
    [
        ("unittest.py", [], True),
        ("src/json.py", [], True),
        ("pytest.py", [], True),
        ("json.cpython-311-x86_64-linux-gnu.so", [], True),
        ("app/prog.cpython-311-x86_64-linux-gnu.so", ["app/prog.py"], True),
        ("app/prog.so", ["app/other.py", "prog.py"], False),
        ("unittest/__init__.py", [], True),
        ("unittest/mock.py", ["unittest/__init__.py"], True),
        ("code/main.py", [], False),  # no package: the module of that name comes first
        ("app/json.py", [], False),
        ("app/json.py", ["app/test_a.py"], True),
        ("app/json.py", ["app/test_a.py", "app/__init__.py"], False),
        ("tests/random.py", ["tests/test_a.py"], True),
        ("test/__init__.py", [], False),
        ("app.py", [], False),
        ("json.txt", [], False),
        ("json/data.txt", ["json/__init__.py"], False),
    ],
)
def test_what_stands_in_for_the_standard_library_or_a_tool(
    path: str, others: list[str], is_told: bool
) -> None:
    before: dict[str, str | None] = dict.fromkeys(others, "x")
    assert told(before, {**before, path: "x"}) == ([path] if is_told else [])
    if not path.startswith("test"):
        assert told({**before, path: "x"}, {**before, path: "y"}) == [], "the project's own of that name"


@pytest.mark.parametrize(
    ("task", "path", "expected"),
    [
        ("Write a Makefile with a test target.", "Makefile", []),
        ("write a makefile", "sub/Makefile", []),
        ("Add `package.json`.", "package.json", []),
        ("Write calendar.py, which prints a month.", "calendar.py", []),
        ("Write my-calendar.py.", "calendar.py", ["calendar.py"]),
        ("Write calendar.pyx.", "calendar.py", ["calendar.py"]),
        ("Write a calendar.", "calendar.py", ["calendar.py"]),
    ],
)
def test_what_the_task_names_may_be_added(task: str, path: str, expected: list[str]) -> None:
    text = '{"scripts": {"test": "true"}}'
    assert told({}, {path: text}, task) == expected
    if path != "calendar.py":
        assert told({path: "{}"}, {path: text}, task) == [path], "not changed, where it was there"


def test_a_name_is_looked_for_as_it_is() -> None:
    assert named_in("Make a+b(.txt!", "x/a+b(.txt")
    assert not named_in("Make aab(.txt", "a+b(.txt")
    assert named_in("See (out.csv).", "out.csv")
    assert not named_in("layout.csv, out.csv.gz", "out.csv")
