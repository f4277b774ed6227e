"""What commands print fits 80 columns: sentences of our own are broken between words, not by the terminal."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import agentbatch

SOURCE = Path(agentbatch.__file__).parent
COLUMNS = 80
PRINTING = ("cli", "display", "dashboard")
NOT_PRINTED = {
    *("dashboard/plain.py", "dashboard/served_environment.py"),
    *(f"cli/completions/{name}.py" for name in ("bash", "fish", "posix", "zsh")),
}
"""Markup, a list of names, and scripts for shells."""

SAYS_ITSELF = {"cli/complaints.py", "display/requests/display.py"}
"""Where what begins with `agentbatch: ` is folded."""


class Printed(ast.NodeVisitor):
    """The literals that are printed as they are: of more than one line, or with the program's name before them."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._take(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """A value counts for nothing: it may be short."""
        self._take("".join(str(part.value) for part in node.values if isinstance(part, ast.Constant)))

    def _take(self, text: str) -> None:
        if "\n" in text or text.startswith("agentbatch: "):
            self.found.append(text)


def printed(source: str) -> list[str]:
    visitor = Printed()
    visitor.visit(ast.parse(source))
    return visitor.found


def literals() -> Iterator[tuple[str, str]]:
    for room in PRINTING:
        for path in sorted((SOURCE / room).rglob("*.py")):
            name = str(path.relative_to(SOURCE))
            yield from ((name, text) for text in printed(path.read_text(encoding="utf-8")))


def test_no_line_is_longer_than_a_terminal_is_wide() -> None:
    texts = [(name, text) for name, text in literals() if name not in NOT_PRINTED]
    assert len(texts) > 100
    wide = [(name, line) for name, text in texts for line in text.split("\n") if len(line) > COLUMNS]
    assert wide == []


def test_complaints_are_folded_in_one_place() -> None:
    own = [(name, text) for name, text in literals() if text.startswith("agentbatch: ")]
    assert [one for one in own if one[0] not in SAYS_ITSELF] == [], "use complain()"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""Doc\nstring."""', []),
        ('say("one line")', []),
        ('say("two\\n" "lines\\n")', ["two\nlines\n"]),
        ('say(f"{a}: two\\nlines")', [": two\nlines"]),
        ('say(f"agentbatch: {a}")', ["agentbatch: "]),
    ],
)
def test_what_is_printed(source: str, found: list[str]) -> None:
    assert printed(source) == found
