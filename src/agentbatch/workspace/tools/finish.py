"""The tool `finish`: the coder says that it is done."""

from typing import Annotated, ClassVar

from pydantic import Field

from agentbatch.workspace.tools.base import Arguments, ToolResult
from agentbatch.workspace.workspace import Workspace


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

    async def run(self, arguments: FinishArguments, workspace: Workspace) -> ToolResult:
        return ToolResult(
            "Your turn has ended; the work is evaluated now.", finished=True, summary=arguments.summary
        )
