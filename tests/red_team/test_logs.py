"""What a model wrote, in the log of a CI, which obeys what stands there as a command: it sets variables of later steps,
hands out files and hides words."""

import io
import os
from pathlib import Path

import pytest

from agentbatch.display.writer import Writer, without_commands

OBEYED = [
    "::error::x",
    "  ::set-env name=PATH::/evil",
    " \u3000\t::ADD-MASK::x",
    "[12:00:00] task 1/2: finish: ##vso[task.setvariable variable=PATH]/evil",
    "a ##[add-path]/evil",
    "##teamcity[publishArtifacts '/etc']",
    "one\n::stop-commands::x",
    "one\r  ::group::x",
    "###vso[task.uploadfile]x",
]


@pytest.mark.parametrize("text", OBEYED)
@pytest.mark.parametrize("variable", ["GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION"])
def test_it_is_shown_and_not_obeyed(monkeypatch: pytest.MonkeyPatch, text: str, variable: str) -> None:
    monkeypatch.setenv(variable, "true")
    out = io.StringIO(newline="")
    Writer(out).line(text)
    shown = out.getvalue().removesuffix("\n")
    assert obeyed(text)
    assert not obeyed(shown)
    assert shown.replace(" ", "") == text.replace(" ", "")


def obeyed(log: str) -> bool:
    """As the runners read it: `::` where a line begins, white space aside; `##` with a bracket wherever it stands."""
    lines = log.replace("\r", "\n").split("\n")
    return any(line.lstrip().startswith("::") for line in lines) or any(
        f"##{name}[" in log for name in ("", "vso", "teamcity")
    )


@pytest.mark.parametrize(
    "text", ["::std::move(x)", "a::error::b", "## [1.0] - today", "a ## b[0]", "#[derive]"]
)
def test_what_is_no_command_stays(text: str) -> None:
    assert without_commands(text) == text


def test_a_file_gets_what_was_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with open(tmp_path / "patch", "w", encoding="utf-8") as file:
        Writer(file).write(" ::error::x\n")
    assert (tmp_path / "patch").read_text(encoding="utf-8") == " ::error::x\n"
    reads, writes = os.pipe()
    with open(writes, "w", encoding="utf-8") as pipe:
        Writer(pipe).write(" ::error::x\n")
    with open(reads, encoding="utf-8") as log:
        assert log.read() == " : :error::x\n"
