"""The builtin coder's tools: those of its workspace, and `finish`, which touches nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar

from pydantic import Field

from agentbatch.errors import UserError
from agentbatch.workspace.tools.arguments import ArgumentsError, parse_arguments
from agentbatch.workspace.tools.base import Arguments, Tool, Toolbox
from agentbatch.workspace.tools.toolbox import HANDS, did_you_mean, unknown_tool, wrong_arguments
from agentbatch.workspace.workspace import ToolResult, Workspace


class FinishArguments(Arguments):
    summary: Annotated[
        str, Field(description="What you made, how you checked it, and what is not done, if anything.")
    ]


class Finish:
    name: ClassVar[str] = "finish"
    description: ClassVar[str] = (
        "End your turn, when everything is done and you have seen it work. Not beside other calls."
    )
    arguments: ClassVar[type[Arguments]] = FinishArguments

    def summary(self, arguments: FinishArguments) -> str:
        return arguments.summary


@dataclass(frozen=True)
class Finished(ToolResult):
    """`finish` was called: the turn ends."""

    summary: str = ""
    """What the coder says of its work."""


Others = Mapping[str, Callable[[str, str], Awaitable[ToolResult]]]
"""Tools of somebody else's by the model's names; each is called with its name and the arguments as JSON text."""

TOOLS: Mapping[str, Tool] = MappingProxyType({**HANDS, Finish.name: Finish()})
"""All tools by name, in the order in which a model gets them."""


def select_tools(names: Sequence[str]) -> Toolbox:
    """The named tools. Raises UserError naming the nearest tool for an unknown one."""
    for name in names:
        if name not in TOOLS:
            raise UserError(
                f"There is no tool {name!r}{did_you_mean(name, TOOLS)} The tools are {', '.join(TOOLS)}."
            )
    return {name: tool for name, tool in TOOLS.items() if name in names}


async def run_tool(
    toolbox: Toolbox, name: str, arguments: str, workspace: Workspace, others: Others = MappingProxyType({})
) -> ToolResult:
    """Carry out one call as the model wrote it. What is wrong with it becomes an answer, never an error. `others`: the
    tools that are not of the toolbox."""
    if name in others:
        return await others[name](name, arguments)
    if name not in toolbox:
        return unknown_tool(name, {**toolbox, **others})
    if name != Finish.name:
        return await workspace.call(name, arguments)
    try:
        parsed = parse_arguments(toolbox[name], arguments)
    except ArgumentsError as error:
        return wrong_arguments(error)
    return Finished("Your turn has ended; the work is evaluated now.", summary=parsed.summary)
