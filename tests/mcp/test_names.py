import re

import pytest

from agentbatch.mcp.names import model_names
from agentbatch.tasks.coders.builtin.toolbox import TOOLS

LONG = "synchronise_all_customer_data_across_several_systems_at_once"


@pytest.mark.parametrize(
    ("server", "tools", "names"),
    [
        ("git", ["git_status"], ["mcp__git__git_status"]),
        ("my-notes", ["read-note"], ["mcp__my_notes__read_note"]),
        ("s", ["a.b", "a/b", "a_b"], ["mcp__s__a_b_2e7336", "mcp__s__a_b_c14cdd", "mcp__s__a_b"]),
        ("s", ["../x", "bash", "x\x1b[2J"], ["mcp__s_____x", "mcp__s__bash", "mcp__s__x__2J"]),
        ("s", ["读取", ""], ["mcp__s_____534cb3", "mcp__s___e3b0c4"]),
        (
            "s",
            ["a.b", "a/b", "a_b_2e7336"],
            ["mcp__s__a_b_6a4f72", "mcp__s__a_b_c14cdd", "mcp__s__a_b_2e7336"],
        ),
        ("s", ["a", "a"], ["mcp__s__a"]),
        ("database", [LONG], ["mcp__database__synchronise_all_customer_data_across_sever_9bc825"]),
    ],
)
def test_names_before_a_model(server: str, tools: list[str], names: list[str]) -> None:
    found = model_names(server, tools)
    assert list(found.values()) == names
    assert len(set(found.values())) == len(set(tools))
    assert all(re.fullmatch(r"mcp__[A-Za-z0-9_]{1,59}", name) for name in names)
    assert TOOLS.keys().isdisjoint(names)


def test_a_name_stays_when_other_tools_come() -> None:
    assert model_names("s", ["a.b", "a/b"])["a.b"] == model_names("s", ["x", "a/b", "a.b"])["a.b"]
