"""README in other languages says all that README says: the same commands, headings, rows and links."""

import re
from collections.abc import Callable

import pytest

from tests.support.paths import CHECKOUT

README = (CHECKOUT / "README.md").read_text("utf-8")


def blocks(text: str) -> list[str]:
    """Blocks of code, without what is said of a command."""
    return [re.sub(r"#.*", "", block) for block in re.findall(r"^```.*?^```", text, re.M | re.S)]


def code(text: str) -> set[str]:
    """What stands in the text as code: commands, files, fields."""
    return set(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text))


def links(text: str) -> list[str]:
    return sorted(link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("README"))


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ ", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)


def rows(text: str) -> list[int]:
    """How many links stand in each row of a table."""
    return [line.count("](") for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("part", [blocks, code, links, headings, rows])
@pytest.mark.parametrize("name", ["README.zh-CN.md", "README.ja.md"])
def test_the_same_as_the_readme(name: str, part: Callable[[str], object]) -> None:
    translated = (CHECKOUT / name).read_text("utf-8")
    assert part(translated) == part(README), f"{name} has to follow README.md"


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "README.ja.md"])
def test_each_leads_to_the_others(name: str) -> None:
    second_line = (CHECKOUT / name).read_text("utf-8").splitlines()[2]
    others = {"README.md", "README.zh-CN.md", "README.ja.md"} - {name}
    assert set(re.findall(r"\]\(([^)]+)\)", second_line)) == others
