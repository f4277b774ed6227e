"""In which form a file has to be sound, and what its text alone tells: tables, half of them traps."""

import pytest

from agentbatch.tasks.evaluator.checks.facts.forms import conflict_line, empty_files, form_of
from agentbatch.workspace.workspace import FileEntry

TASK = "Write prog.py, which reads data.json."


def entry(text: str | None = "x", size: int | None = None, kind: str = "file") -> FileEntry:
    return FileEntry("0", len(text or "") if size is None else size, text, False, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "text", "form"),
    [
        ("prog.py", "x", "Python"),
        ("src/pkg/prog.PY", "x", "Python"),
        ("data.json", "{}", "JSON"),
        ("pyproject.toml", "x", "TOML"),
        ("a.svg", "x", "XML"),
        ("ci.yml", "x", "YAML"),
        ("run.sh", "echo", "shell"),
        ("run", "#!/bin/sh\n", "shell"),
        ("run", "#!/usr/bin/env bash\n", "shell"),
        ("run", "#!/usr/bin/env -S bash -e\n", "shell"),
        ("tool", "#!/usr/bin/env python3\n", "Python"),
        ("a.mjs", "x", "JavaScript"),
        ("notes.txt", None, "text"),
        ("notes.txt", "plain", None),
        ("picture.png", None, None),
        ("tool", "#!/usr/bin/perl\n", None),
        ("setup.sh", "#!/bin/zsh\n", None),
        ("Makefile", "all:\n", None),
        ("empty.json", "", None),
        ("tsconfig.json", "{}", None),
        ("tsconfig.build.json", "{}", None),
        (".vscode/settings.json", "{}", None),
        (".eslintrc.json", "{}", None),
        ("settings.json", "{}", "JSON"),
        ("turbo.json", "{\n  // a comment\n}", None),
        ("data.json", "{\n  // a comment\n}", "JSON"),
        ("lines.jsonl", "{}", None),
        ("tests/fixtures/a.json", "{", None),
        ("testdata/b.py", "(", None),
        ("invalid.json", "{", None),
        ("bad_header.toml", "x", None),
        ("badge.json", "{}", "JSON"),
        ("{{cookiecutter.name}}/a.py", "x", None),
        ("chart/values.yaml", "a: {{ .Values.b }}", None),
        ("page.xml", "{% for a in b %}", None),
        ("compose.json", '{"a": ${PORT}}', None),
        ("old.py", "#!/usr/bin/env python2\nprint 1", None),
        ("model.py", "{% if a %}\nimport b\n{% endif %}", None),
        ("fine.py", "x = '{%s}' % 1", "Python"),
        ("flow.js", "// @flow\n", None),
        ("page.js", "let a = {{ name }};\n", None),
    ],
)
def test_the_form_of_a_file(path: str, text: str | None, form: str | None) -> None:
    assert form_of(path, entry(text, size=1 if text is None else None), TASK) == form


@pytest.mark.parametrize("kind", ["symlink", "special", "unreadable"])
def test_what_is_no_file_has_no_form(kind: str) -> None:
    assert form_of("a.py", entry("x", kind=kind), TASK) is None


@pytest.mark.parametrize(
    ("task", "checked"),
    [
        ("Print an error for an invalid JSON file.", ["a.py", "b.json"]),
        ("Write check.py, which reports invalid JSON files.", ["a.py", "b.json"]),
        ("Contains a few invalid JSON samples.", ["a.py"]),
        ("b.json must not parse.", ["a.py"]),
        ("Test it with a malformed sample.", ["a.py"]),
        ("Fix the syntax error in a.py.", ["a.py", "b.json"]),
        ("Fix the broken script.", ["a.py", "b.json"]),
        ("Add a file with a syntax error for the linter's tests.", ["b.json"]),
        ("Port it from Python 2.7.", ["a.py", "b.json"]),
        ("提供一个无效的JSON文件。", ["a.py"]),
    ],
)
def test_a_task_may_want_what_is_not_sound(task: str, checked: list[str]) -> None:
    assert [path for path in ("a.py", "b.json") if form_of(path, entry(), task)] == checked


@pytest.mark.parametrize(
    ("task", "text", "form"),
    [
        ("Write a.py for Python 2.", "print 1\n", None),
        ("Write a.py for Python 2.", "try:\n    f()\nexcept E, e:\n    raise E, 'x'\n", None),
        ("Write a.py for Python 2.", "def broken(:\n", "Python"),
        ("Port run.py from Python 2 to Python 3", "def broken(:\n", "Python"),
        ("Port run.py from Python 2 to Python 3", "print 1\n", "Python"),
        ("Port run.py from the old Python 2.7", "print 1\n", "Python"),
        ("It runs on Python 2 and Python 3.", "print 1\n", "Python"),
        ("Write a.py.", "print 1\n", "Python"),
    ],
)
def test_what_is_python_2_and_is_to_be_is_left_alone(task: str, text: str, form: str | None) -> None:
    assert form_of("a.py", entry(text), task) == form


CONFLICT = "a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n"


@pytest.mark.parametrize(
    ("path", "text", "before", "task", "line"),
    [
        ("a.txt", CONFLICT, None, TASK, 2),
        ("a.txt", CONFLICT.replace("\n", "\r\n"), "a", TASK, 2),
        ("a.txt", CONFLICT, CONFLICT, TASK, 0),
        ("a.txt", CONFLICT, None, "Parse merge markers.", 0),
        ("fixtures/a.txt", CONFLICT, None, TASK, 0),
        ("a.rst", "Title\n=======\n", None, TASK, 0),
        ("a.py", "'''\n  <<<<<<< a\n=======\n>>>>>>> b\n'''", None, TASK, 0),
        ("a.txt", "=======\n<<<<<<< a\n>>>>>>> b\n", None, TASK, 0),
        ("a.txt", "", None, TASK, 0),
    ],
)
def test_an_unfinished_merge(path: str, text: str, before: str | None, task: str, line: int) -> None:
    assert conflict_line(path, text, before, task) == line


@pytest.mark.parametrize(
    ("task", "paths", "empty"),
    [
        (TASK, ["prog.py", "pkg/__init__.py", ".gitkeep", "py.typed", "conftest.py"], ["prog.py"]),
        ("Create notes.md with the steps.", ["notes.md", "log.txt"], ["notes.md"]),
        ("Write the totals to `report.txt`.", ["report.txt"], []),
        ("Write a file named report.txt.", ["report.txt"], ["report.txt"]),
        ("Write todo.py, which keeps its list in todo.txt.", ["todo.txt"], []),
        ("Create an empty module a.py.", ["a.py"], []),
        ("The file stays empty at first: a.py.", ["a.py"], []),
        ("Return 0 for an empty list. Write a.py.", ["a.py"], ["a.py"]),
        ("写 report.md。", ["report.md"], ["report.md"]),
        ("新建空文件 a.py。", ["a.py"], []),
        (TASK, ["tests/fixtures/a.py"], []),
    ],
)
def test_files_that_should_not_be_empty(task: str, paths: list[str], empty: list[str]) -> None:
    assert empty_files([(path, entry("")) for path in paths], task) == empty
    assert empty_files([(path, entry("x")) for path in paths], task) == []


def test_blank_lines_are_no_content() -> None:
    assert empty_files([("a.py", entry(" \n\n"))], TASK) == ["a.py"]
