"""For all tests of the terminal app: what each app of a process would work out again is worked out once."""

import os
from collections.abc import Iterator

os.environ["TEXTUAL_ANIMATIONS"] = "none"  # read when Textual is imported: nothing moves sixty times a second

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet


@pytest.fixture(autouse=True, scope="session")
def _css_is_parsed_once() -> Iterator[None]:
    """Textual keeps what it has parsed as long as an app lives, and each test opens a new one."""
    parsed: dict[tuple[object, ...], list[RuleSet]] = {}
    parse = Stylesheet._parse_rules

    def parse_once(sheet: Stylesheet, css: str, *words: object, **more: object) -> list[RuleSet]:
        key = (css, words, *more.values(), frozenset(sheet._variables.items()))
        if key not in parsed:
            parsed[key] = parse(sheet, css, *words, **more)  # type: ignore[arg-type]
        return parsed[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parse_once)
        yield
