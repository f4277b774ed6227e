"""Who takes part in a comparison."""

from collections.abc import Sequence

import pytest

from agentbatch.config.contestants import Contestant, contestants, worker


@pytest.mark.parametrize(
    ("coders", "models", "found"),
    [
        ((), (), []),
        ((), ("a", "b:8b"), [("a", "", "a"), ("b:8b", "", "b:8b")]),
        (("builtin", "codex"), (), [("builtin", "builtin", ""), ("codex", "codex", "")]),
        (("builtin:b:8b", "codex"), (), [("builtin:b:8b", "builtin", "b:8b"), ("codex", "codex", "")]),
        (
            ("builtin", "claude:c"),
            ("x", "y"),
            [("builtin:x", "builtin", "x"), ("builtin:y", "builtin", "y"), ("claude:c", "claude", "c")],
        ),
        (("codex", "codex:x"), ("x",), [("codex:x", "codex", "x")]),
    ],
)
def test_who_takes_part(
    coders: Sequence[str], models: Sequence[str], found: Sequence[tuple[str, str, str]]
) -> None:
    assert contestants(coders, models) == tuple(Contestant(*one) for one in found)


@pytest.mark.parametrize(
    ("coder", "logins", "words"),
    [("builtin", (), "m"), ("codex", (), "codex with m"), ("codex", ("codex",), "codex")],
)
def test_the_coder_in_words(coder: str, logins: Sequence[str], words: str) -> None:
    assert worker(coder, "m", logins) == words
