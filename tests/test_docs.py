"""Pages for people: every link leads somewhere, and the site's one navigation has each page once."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT

DOCS = CHECKOUT / "docs"
PAGES = sorted([*CHECKOUT.glob("*.md"), *DOCS.glob("*.md")])
ELSEWHERE = ("http://", "https://", "mailto:")


@cache
def prose(page: Path) -> str:
    """The page without its blocks of code and its code in lines."""
    return re.sub(r"^( *)```.*?^\1```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


@cache
def anchors(page: Path) -> set[str]:
    """Names that git hosts and the site give to headings."""
    blocks = re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = (re.sub(r"[`*]|\]\([^)]*\)", "", found) for found in re.findall(r"^#+ +(.+)$", blocks, re.M))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def entries(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for inner in nav.values():
            yield from entries(inner)
    elif isinstance(nav, list):
        for inner in nav:
            yield from entries(inner)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(ELSEWHERE):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if page.parent == DOCS:
            assert target.resolve().is_relative_to(DOCS), f"{page.name}: {link} is not on the site"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}"


def test_the_navigation_has_each_page_once() -> None:
    config = tomllib.loads((CHECKOUT / "zensical.toml").read_text(encoding="utf-8"))
    times = Counter(entries(config["project"]["nav"]))
    assert times == Counter(page.name for page in DOCS.glob("*.md")), "zensical.toml's nav"


def test_the_first_page_leads_to_each_other_page() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)", prose(DOCS / "README.md")))
    assert linked == {page.name for page in DOCS.glob("*.md")} - {"README.md"}
