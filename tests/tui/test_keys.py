"""The table of keys."""

from itertools import product

from agentbatch.tui.keys import KEYS, Place, keys_of
from tests.support.paths import CHECKOUT

DOCS = CHECKOUT / "docs" / "tui.md"

TITLES: dict[Place, str] = {
    "everywhere": "Everywhere",
    "launch": "Launch screen",
    "run": "Run screen (* with an engine, and `--control` where another process started it)",
    "results": "Results browser",
}


def rows(place: Place) -> list[str]:
    return [f"| `{key.shown}`{' *' if key.steers else ''} | {key.text} |" for key in keys_of(place)]


def test_the_docs_tell_every_key() -> None:
    wanted = "\n\n".join(
        "\n".join([f"**{title}**", "", "| key | does |", "|---|---|", *rows(place)])
        for place, title in TITLES.items()
    )
    assert wanted in DOCS.read_text(encoding="utf-8"), f"docs/tui.md should hold:\n{wanted}"


def test_no_key_means_two_things_on_a_screen() -> None:
    for first, second in product(KEYS, KEYS):
        if first is not second and (
            "everywhere" in (first.place, second.place) or first.place == second.place
        ):
            assert not set(first.keys.split(",")) & set(second.keys.split(",")), (first, second)


def test_who_only_looks_on_has_no_keys_that_steer() -> None:
    assert {key.action for key in keys_of("run")} - {key.action for key in keys_of("run", control=False)} == {
        "pause_task", "pause_all", "cancel_task", "cancel_all", "retry_task", "more", "fewer", "say",
    }  # fmt: skip
