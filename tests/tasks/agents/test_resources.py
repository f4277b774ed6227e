"""Files in agents/ and prompts/ that were meant to be read."""

from pathlib import Path

import pytest

from agentbatch.tasks.agents.resources import misnamed

KNOWN = {
    "agents": ("coder.toml", "evaluator.toml"),
    "prompts": ("coder.md", "evaluator.md", "safety.md", "follow_up.md"),
}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["prompts/evalutor.md"], ["prompts/evalutor.md is not read; did you mean prompts/evaluator.md?"]),
        (["agents/codr.toml"], ["agents/codr.toml is not read; did you mean agents/coder.toml?"]),
        (["agents/coder.tml"], ["agents/coder.tml is not read; did you mean agents/coder.toml?"]),
        (["prompts/Safety.MD"], ["prompts/Safety.MD is not read; did you mean prompts/safety.md?"]),
        (["prompts/follow-up.md"], ["prompts/follow-up.md is not read; did you mean prompts/follow_up.md?"]),
        (["prompts/coder.txt"], ["prompts/coder.txt is not read; did you mean prompts/coder.md?"]),
        (["prompts/coder.md", "prompts/coder.md.orig"], []),
        (["prompts/summary.md", "prompts/notes.md", "agents/reviewer.toml", "agents/README.md"], []),
        (["prompt/coder.md"], ["prompt/ is not read; did you mean prompts/?"]),
        (["agent/mine.toml"], []),
        (
            ["prompts/evalu\x1b[31mtor.md"],
            ["prompts/evalutor.md is not read; did you mean prompts/evaluator.md?"],
        ),
    ],
)
def test_names_with_a_slip(tmp_path: Path, files: list[str], told: list[str]) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert misnamed(tmp_path, KNOWN) == told  # type: ignore[arg-type]


def test_where_nothing_can_be_listed_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "agents").write_text("")
    assert misnamed(tmp_path, KNOWN) == []  # type: ignore[arg-type]
