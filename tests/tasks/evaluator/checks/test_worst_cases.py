"""What reads texts of tasks, coders and models takes time in proportion to them: this file takes minutes where
one does not."""

import json

import pytest

from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.messages import without_thoughts
from agentbatch.tasks.evaluator.checks.facts.forms import conflict_line, empty_files, form_of
from agentbatch.tasks.evaluator.checks.facts.found_tests import found_tests
from agentbatch.tasks.evaluator.checks.facts.outcomes import answers
from agentbatch.tasks.evaluator.checks.facts.stated.stated import stated_examples
from agentbatch.tasks.evaluator.checks.facts.tied import tied
from agentbatch.tasks.evaluator.checks.own.asking import NoChecks, parse_checks
from agentbatch.tasks.evaluator.checks.own.asserts.expected import expected_of, program_of, wanted_functions
from agentbatch.tasks.evaluator.checks.own.script import OwnCheck, came_to_its_end, cannot_run, in_words
from agentbatch.tasks.evaluator.checks.tampering import can_mislead
from agentbatch.workspace.files.globs import matcher
from agentbatch.workspace.workspace import FileEntry, Snapshot

SIZE = 40_000

FILLERS = (*" \n\t'(`1,.a", " \n", "a(", "a ", "f(1) == ")
HEADS = ("", "f(1)", "f(1) is", "f(1) == 2", "`f(1)` ", "`python3 a.py` prints", ">>> f(1)\n", "f('")


def worst(heads: tuple[str, ...] = HEADS) -> list[str]:
    return [f"{head}{(filler * SIZE)[:SIZE]}x" for head in heads for filler in FILLERS]


def entry(text: str) -> FileEntry:
    return FileEntry("x", len(text), text, executable=False)


def files(**texts: str) -> Snapshot:
    return Snapshot({name.replace("_dot_", "."): entry(text) for name, text in texts.items()})


@pytest.mark.slow
def test_tasks() -> None:
    for text in worst():
        stated_examples(text)
        wanted_functions("python function " + text)


@pytest.mark.slow
def test_what_a_task_says_of_files() -> None:
    none = Snapshot({})
    words = ("empty", "write", "create an invalid", "from python2")
    for text in worst(words):
        empty_files([("zq", entry(""))], text)
        can_mislead(none, files(Makefile="x"), text)
        for name in ("a.py", "a.json"):
            form_of(name, entry("{}"), text)


@pytest.mark.slow
def test_files_of_a_coder() -> None:
    none, examples = Snapshot({}), stated_examples("f(1) == 2")
    for text in worst(("", "print", "class a(", "test", "{% ", "#! ", "#[", "<<<<<<< \n", "export", "def f")):
        for name in ("a.py", "a.json", "a.js", "a"):
            form_of(name, entry(text), "task")
        conflict_line("a", text, None, "task")
        tied(examples, "task", none, files(a_dot_py=text, b_dot_js=f"exports\n{text}"))
        made = {"Cargo.toml": entry("x"), "a.rs": entry(text), "Makefile": entry(text)}
        made |= {"package.json": entry(json.dumps({"scripts": {"test": text}})), "setup.cfg": entry(text)}
        made |= {"tests/test_a.py": entry(text), "pyproject.toml": entry(text)}
        found_tests(Snapshot(made))
        can_mislead(none, Snapshot(made), "task")


def test_what_a_program_or_a_model_says() -> None:
    check = OwnCheck("a", "python3 x", "python")
    for text in worst(("", "<think>", "```\n", '{"checks": ', "exec: ", "assert f(", "nonce ")):
        without_thoughts(text)
        program_of(text)
        expected_of(text, ["f"])
        answers(text, "nonce")
        cannot_run(127, text)
        in_words(check, 1, text)
        came_to_its_end(check, 0, text, "nonce")
        with pytest.raises(NoChecks):
            parse_checks(text, 5, Redactor([]))


PATTERNS: list[tuple[str, str, bool]] = [
    ("**/" * 20 + "x", "a/" * 60 + "y", False),
    ("**/" * 20 + "x", "a/" * 60 + "x", True),
    ("*a" * 20 + "b", "a" * 250, False),
    ("**/a*/" * 10 + "b", "aa/" * 60 + "c", False),
    ("**/*_*_*_*.py", "_" * 255, False),
    ("a/**" * 1 + "/b" + "/**/*c*" * 8, "a/" + "b/c/" * 40 + "d", True),
]


@pytest.mark.parametrize(("pattern", "path", "fits"), PATTERNS)
def test_patterns_with_many_wildcards(pattern: str, path: str, fits: bool) -> None:
    assert matcher([pattern])(path) is fits


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("a/**", "a", False),
        ("a/**", "a/b/c", True),
        ("**", "a", True),
        ("**/b", "ab/b/c", True),
        ("**/a/**/b", "ab/a/b", True),
        ("**/a/**/b", "ab/b", False),
        ("a*b*c", "abbc", True),
        ("a*bc", "abcbc", True),
        ("a[!b]c", "a/c", False),
        ("a[!b-]c", "axc", True),
        ("a*", "abc/d", True),
        ("*a*a", "aba", True),
        ("*a*a", "ab", False),
    ],
)
def test_what_patterns_mean(pattern: str, path: str, fits: bool) -> None:
    assert matcher([pattern])(path) is fits


def test_a_toml_file_that_takes_long_is_told_and_not_read() -> None:
    dotted = files(pyproject_dot_toml="a." * 30_000 + "a = 1")
    assert can_mislead(Snapshot({}), dotted, "task") == ["pyproject.toml"]
