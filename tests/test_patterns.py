"""Patterns that are compiled when they are used, and that all of them can be."""

import ast
import copy
import importlib
import pickle
import re

import pytest

from agentbatch.patterns import regex
from tests.support.paths import CHECKOUT

SOURCE = CHECKOUT / "src/agentbatch"


def test_a_pattern_has_what_the_compiled_one_has() -> None:
    word = regex("[a-z]+", re.IGNORECASE)
    assert word.findall("One two") == ["One", "two"]
    assert (word.pattern, word.flags) == ("[a-z]+", re.compile("[a-z]+", re.IGNORECASE).flags)
    assert regex(rb"\d").sub(b"#", b"a1") == b"a#"


def test_it_is_compiled_when_it_is_used() -> None:
    broken = regex("(")
    with pytest.raises(re.error):
        broken.search("x")


@pytest.mark.parametrize("used", [False, True])
def test_a_copy_of_it_finds_the_same(used: bool) -> None:
    digit = regex(r"\d")
    assert not used or digit.search("1")
    for twin in (copy.deepcopy(digit), pickle.loads(pickle.dumps(digit))):
        assert twin.search("a1")


@pytest.mark.slow
def test_every_pattern_of_ours_can_be_compiled() -> None:
    named = [path for path in sorted(SOURCE.rglob("*.py")) if "= regex(" in path.read_text(encoding="utf-8")]
    assert len(named) > 50
    for path in named:
        name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        module = importlib.import_module(name)
        for value in vars(module).values():
            if isinstance(value, type(regex(""))):
                assert value.pattern, name


def compiled_at_import(source: str) -> list[int]:
    """Lines in which `re.compile` stands outside functions."""
    if "re.compile(" not in source:
        return []
    tree = ast.parse(source)
    late = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and id(node) not in late and ast.unparse(node.func) == "re.compile"
    ]


def test_what_is_compiled_at_import_is_found() -> None:
    assert compiled_at_import("import re\nA = re.compile('a')\ndef f():\n    re.compile('b')") == [2]


def test_no_module_compiles_a_pattern_when_it_is_imported() -> None:
    found = {
        path.relative_to(SOURCE).as_posix(): lines
        for path in sorted(SOURCE.rglob("*.py"))
        if not path.is_relative_to(SOURCE / "tasks/evaluator/programs")  # they stand alone in a workspace
        and (lines := compiled_at_import(path.read_text(encoding="utf-8")))
    }
    assert found == {}, "regex of agentbatch.patterns compiles it when it is used"
