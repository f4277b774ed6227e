"""Making texts fit, and saying what was left out."""

import pytest

from agentbatch.model.tokens import estimate
from agentbatch.tasks.agents.shorten import NOTE, cut, last_lines, shares, shortened


@pytest.mark.parametrize("limit", [0, 10, NOTE, 100, 999, 1000])
def test_the_middle_goes_and_the_ends_stay(limit: int) -> None:
    text = "HEAD" + "x" * 992 + "TAIL"
    short = shortened(text, limit)
    assert len(short) <= max(limit, NOTE)
    if limit == 1000:
        assert short == text
    else:
        kept = len(short.replace("[...", "").split(" characters")[0].split()[0]) if limit > NOTE else 0
        assert "characters left out" in short
        assert (kept > 0) == (short.startswith("HEAD") and short.endswith("TAIL"))


def test_the_note_tells_the_truth() -> None:
    assert (
        shortened("a" * 500 + "\n" + "b" * 499, 140)
        == f"{'a' * 50}\n[... 900 characters left out ...]\n{'b' * 50}"
    )


@pytest.mark.parametrize(
    ("text", "lines", "characters", "expected"),
    [
        ("1\n2\n3\n", 2, 100, "2\n3"),
        ("1\n2\n3", 9, 100, "1\n2\n3"),
        ("aaaa\nbbbb\ncccc", 9, 10, "bbbb\ncccc"),
        ("", 5, 100, ""),
    ],
)
def test_the_end_of_an_output(text: str, lines: int, characters: int, expected: str) -> None:
    assert last_lines(text, lines, characters) == expected


def test_a_line_keeps_its_beginning_where_the_path_stands() -> None:
    shown = last_lines("head\n/a/b.py:3: " + "x" * 5000 + " != END", 25, 1500)
    assert shown.startswith("head\n/a/b.py:3: x")
    assert shown.endswith(" != END")
    assert len(shown) <= 1500


WEIGHTS = {"diff": 4, "commands": 2}


def fit(pieces: dict[str, str], budget: int, weights: dict[str, int]) -> dict[str, str]:
    share = shares({name: estimate(text) for name, text in pieces.items()}, budget, weights)
    return {name: cut(text, share[name]) for name, text in pieces.items()}


@pytest.mark.parametrize(
    ("sizes", "budget", "expected"),
    [
        ({"diff": 100, "commands": 100, "tree": 10}, 210, {"diff": 100, "commands": 100, "tree": 10}),
        # The tree needs less than its seventh; diff and commands share what is left two to one.
        ({"diff": 1000, "commands": 1000, "tree": 10}, 310, {"diff": 200, "commands": 100, "tree": 10}),
        # A small diff leaves its part to the others.
        ({"diff": 50, "commands": 1000, "tree": 1000}, 350, {"diff": 50, "commands": 200, "tree": 100}),
    ],
)
def test_a_fair_split(sizes: dict[str, int], budget: int, expected: dict[str, int]) -> None:
    pieces = {name: "x" * 4 * size for name, size in sizes.items()}
    found = fit(pieces, budget, WEIGHTS)
    for name, text in found.items():
        assert expected[name] * 0.8 <= estimate(text) <= expected[name]
        assert (text == pieces[name]) == (expected[name] == sizes[name])
        assert text == pieces[name] or "characters left out" in text
    assert sum(map(estimate, found.values())) <= budget


def test_nothing_is_dropped_without_a_word() -> None:
    found = fit({"diff": "x" * 4000, "tree": "y" * 4000, "claim": ""}, 0, WEIGHTS)
    assert found["claim"] == ""
    assert all("4,000 characters left out" in found[name] for name in ("diff", "tree"))


def test_texts_of_uneven_tokens_fit_too() -> None:
    mixed = "汉" * 1000 + "a" * 6000 + "汉" * 1000
    for budget in (50, 300, 900):
        assert estimate(fit({"diff": mixed}, budget, {})["diff"]) <= budget
