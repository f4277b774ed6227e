"""Native calls whose names or arguments are wrapped in something."""

import json

import pytest

from agentbatch.model.reply import ToolCall
from agentbatch.tasks.coders.builtin.toolbox import TOOLS as TOOLBOX
from agentbatch.toolcalls.offered import as_offered
from agentbatch.workspace.tools.toolbox import specs

TOOLS = specs(TOOLBOX)
LS = '{"command": "ls"}'


@pytest.mark.parametrize(
    ("name", "arguments", "calls"),
    [
        ("bash", LS, [("bash", LS)]),
        ("functions.bash", LS, [("bash", LS)]),
        ("default_api.bash", LS, [("bash", LS)]),
        ("functions.bash:0", LS, [("bash", LS)]),
        ("bash<|channel|>commentary", LS, [("bash", LS)]),
        ("functions.bash<|constrain|>json", LS, [("bash", LS)]),
        ("bash", '{"arguments": {"command": "ls"}}', [("bash", LS)]),
        ("bash", '{"command": "ls", "input": {}}', [("bash", '{"command": "ls", "input": {}}')]),
        ("bash", '{"input": "ls"}', [("bash", '{"input": "ls"}')]),
        ("rm", LS, [("rm", LS)]),
        ("functions.rm", LS, [("functions.rm", LS)]),
        (
            "multi_tool_use.parallel",
            json.dumps({"tool_uses": [{"recipient_name": "functions.bash", "parameters": {"command": "ls"}}] * 2}),
            [("bash", LS), ("bash", LS)],
        ),
        ("multi_tool_use.parallel", "{}", [("multi_tool_use.parallel", "{}")]),
        ("multi_tool_use.parallel", '{"tool_uses": [7]}', [("multi_tool_use.parallel", '{"tool_uses": [7]}')]),
    ],
)  # fmt: skip
def test_calls_of_tools_that_are_offered(name: str, arguments: str, calls: list[tuple[str, str]]) -> None:
    read = as_offered([ToolCall("c1", name, arguments)], TOOLS)
    assert [(call.name, call.arguments) for call in read] == calls
    assert len({call.id for call in read}) == len(read)
