"""The builtin coder's tools: choosing them, and who carries out a call."""

from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.coders.builtin.toolbox import TOOLS, Finished, run_tool, select_tools
from agentbatch.workspace.local_workspace import LocalWorkspace
from tests.support.workspaces import local_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> LocalWorkspace:
    root = tmp_path / "task"
    root.mkdir()
    return local_workspace(root, tmp_path / "outputs")


async def test_a_tool_that_was_not_chosen_does_not_run(workspace: LocalWorkspace, tmp_path: Path) -> None:
    toolbox = select_tools(["read_file", "finish"])
    result = await run_tool(toolbox, "bash", '{"command": "touch made"}', workspace)
    assert result.invalid
    assert "The tools are read_file, finish." in result.text
    assert not (tmp_path / "task/made").exists()


async def test_the_workspace_carries_out_all_but_finish(workspace: LocalWorkspace, tmp_path: Path) -> None:
    made = await run_tool(TOOLS, "write_file", '{"path": "made", "content": "x"}', workspace)
    assert made.ok
    assert (tmp_path / "task/made").read_text() == "x"
    ended = await run_tool(TOOLS, "finish", '{"summary": "All done."}', workspace)
    assert isinstance(ended, Finished)
    assert (ended.summary, ended.ok, ended.changed) == ("All done.", True, False)
    assert "unknown tool" in (await workspace.call("finish", "{}")).note


async def test_a_finish_with_wrong_arguments_ends_nothing(workspace: LocalWorkspace) -> None:
    result = await run_tool(TOOLS, "finish", "{}", workspace)
    assert not isinstance(result, Finished)
    assert result.invalid
    assert "'summary' is missing" in result.text


def test_choosing() -> None:
    assert list(TOOLS) == ["bash", "read_file", "write_file", "edit_file", "finish"]
    assert list(select_tools(["finish", "bash"])) == ["bash", "finish"]
    with pytest.raises(
        UserError, match=r"no tool 'bsh'; did you mean 'bash'\? The tools are bash, read_file"
    ):
        select_tools(["bsh", "finish"])
    with pytest.raises(UserError, match=r"no tool 'xyz'\. The tools"):
        select_tools(["xyz"])
