"""The dialect of patterns is git's: each is tried on git itself, with the names that it is known to stumble over."""

import subprocess
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.files.globs import FileSearch, literal, matcher
from tests.workspace.repositories import needs_git

_NAMES = """
a b z A - ] ^ ! [ \\ 5 _ ? : ~ { ab a] [a] a- ]- a*b a.b foo foo.txt d/y d/foo d/e/foo d/e/f/w .hidden d/.hidden
"""
NAMES = _NAMES.split()

_PATTERNS = r"""
a ? ?? * *.txt f* *o f?o fo[o] f[o]* a\*b a*b \* \? \[a] a\] [[]a[]] .* .h[i]dden
[abc] [!abc] [^abc] [a-z] [!a-z] [^a-z] [A-Z] [a-c]b [a-] [-a] [!a-] [a\-z] [\a-\c] [--a] [,-.]
[]] []-] [!]] [^]] [!]-] []a] [!]a-] []-^] [[] [[-\]] [\\] [\]] [!\]a-] [^!] [!^] [^^] [!/] [\[-\]]
[[:digit:]] [[:alpha:]] [^[:alnum:]] [[:punct:]] [[:upper:][:digit:]] [[:xdigit:]-] [![:space:]] [:digit:] [a[:digit:]b]
[[:graph:]] [[:print:]] [[:lower:]] [[:cntrl:]-a] [[:blank:]a] [[:digit:]-a]
** **/foo d/** d/**/foo **/e/** d/* d/*/foo */foo **/**/foo d/***/foo *** f** **foo d**foo  d?y d[/]y d/[!.]oo
**/.hidden **/*o **/f*/w d/**/f/**/w
"""
PATTERNS = _PATTERNS.split()


@needs_git
def test_it_matches_what_git_matches(tmp_path: Path) -> None:
    """But for one thing: what matches a folder means all below it, which git leaves to other rules."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    blob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    listed = "".join(f"100644 {blob} 0\t{name}\0" for name in NAMES)
    subprocess.run(
        ["git", "update-index", "-z", "--index-info"], input=listed, text=True, cwd=tmp_path, check=True
    )
    differ = {}
    for pattern in PATTERNS:
        command = ["git", "ls-files", "-z", "--", f":(glob){pattern}"]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        found = {*said.split("\0")[:-1]} - {pattern}  # by its own letters git finds a name in any case
        meant = matcher([pattern])
        ours = {name for name in NAMES if meant(name)} - {pattern}
        whole = {name for name in ours if not any(meant(parent) for parent in _above(name))}
        if not whole <= found <= ours:
            differ[pattern] = (sorted(whole - found), sorted(found - ours))
    assert differ == {}


def _above(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[abc", "without its ]"),
        ("[", "without its ]"),
        ("[]", "without its ]"),
        ("[!]", "without its ]"),
        ("[^]", "without its ]"),
        ("a[b\\]", "without its ]"),
        ("src/[x", "without its ]"),
        ("[z-a]", "wrong way round"),
        ("[[:digits:]]", "there is no class [:digits:]"),
        ("a\\", "ends in a backslash"),
        ("a\\/b", "ends in a backslash"),
    ],
)
def test_what_can_match_nothing_is_said(pattern: str, why: str) -> None:
    with pytest.raises(UserError, match="is not valid") as error:
        matcher([pattern])
    assert why in str(error.value)


@pytest.mark.parametrize("name", ["*", "?", "[x]", "a\\b", "[!a]", "x]y"])
def test_a_search_and_a_matcher_agree_on_names_of_signs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / "other").touch()
    pattern = literal(name)
    assert FileSearch(tmp_path).find(pattern, "files") == [name]
    assert matcher([pattern])(name)
    assert not matcher([pattern])("other")
