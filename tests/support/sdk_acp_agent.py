"""An agent made with the protocol's own package: what it takes for valid is what an agent may say and be asked."""

import asyncio
from pathlib import Path
from typing import Any

from acp import run_agent
from acp.helpers import (
    plan_entry,
    start_tool_call,
    text_block,
    tool_content,
    tool_diff_content,
    update_agent_message_text,
    update_agent_thought_text,
    update_plan,
    update_tool_call,
)
from acp.schema import (
    AgentCapabilities,
    Implementation,
    InitializeResponse,
    LoadSessionResponse,
    NewSessionResponse,
    PermissionOption,
    PromptResponse,
    SetSessionConfigOptionResponse,
    SetSessionModeResponse,
    ToolCallUpdate,
    Usage,
)


class SdkAgent:
    client: Any

    def __init__(self) -> None:
        self.set: list[str] = []

    def on_connect(self, client: Any) -> None:
        self.client = client

    async def initialize(self, protocol_version: int, **more: Any) -> InitializeResponse:
        capabilities, info = more["client_capabilities"], more["client_info"]
        offered = capabilities.fs.read_text_file, capabilities.fs.write_text_file, capabilities.terminal
        assert not any(offered)
        assert info.name == "agentbatch"
        return InitializeResponse(
            protocol_version=protocol_version,
            agent_capabilities=AgentCapabilities(load_session=True),
            agent_info=Implementation(name="sdk", version="2"),
        )

    async def new_session(self, cwd: str, mcp_servers: list[Any], **more: Any) -> NewSessionResponse:
        assert Path(cwd).is_absolute()
        assert mcp_servers == []
        return NewSessionResponse(session_id="s1")

    async def load_session(self, cwd: str, session_id: str, **more: Any) -> LoadSessionResponse:
        await self.client.session_update(session_id=session_id, update=update_agent_message_text("of before"))
        return LoadSessionResponse()

    async def set_session_mode(self, session_id: str, mode_id: str, **more: Any) -> SetSessionModeResponse:
        self.set.append(mode_id)
        return SetSessionModeResponse()

    async def set_config_option(
        self, config_id: str, session_id: str, value: str | bool, **more: Any
    ) -> SetSessionConfigOptionResponse:
        self.set.append(f"{config_id}={value}")
        return SetSessionConfigOptionResponse(config_options=[])

    async def prompt(self, session_id: str, prompt: list[Any], **more: Any) -> PromptResponse:
        if prompt[0].text == "wait":
            await self.say(session_id, update_agent_message_text("I wait."))
            await asyncio.sleep(600)
        file = Path.cwd() / "a.txt"
        file.write_text("a")
        edit: Any = {"kind": "edit", "status": "completed", "content": [tool_diff_content(str(file), "a")]}
        output = [tool_content(text_block("fine"))]
        ran: Any = {"status": "completed", "content": output, "raw_output": {"exit_code": 0}}
        for update in (
            update_agent_thought_text("Hm."),
            update_plan([plan_entry("write", status="in_progress")]),
            start_tool_call("e", "Write a.txt", **edit),
            start_tool_call("x", "Test", kind="execute", raw_input={"command": "make test"}),
        ):
            await self.say(session_id, update)
        options = [PermissionOption(option_id="yes", name="Yes", kind="allow_once")]
        asked = await self.client.request_permission(
            session_id=session_id, tool_call=ToolCallUpdate(tool_call_id="x"), options=options
        )
        await self.say(session_id, update_tool_call("x", **ran))
        words = f"{prompt[0].text} {asked.outcome.option_id} {' '.join(self.set)}"
        await self.say(session_id, update_agent_message_text(words))
        usage = Usage(input_tokens=7, output_tokens=5, total_tokens=12)
        return PromptResponse(stop_reason="end_turn", usage=usage)

    async def say(self, session_id: str, update: Any) -> None:
        await self.client.session_update(session_id=session_id, update=update)

    async def cancel(self, session_id: str, **more: Any) -> None:
        Path("cancelled").touch()


if __name__ == "__main__":
    asyncio.run(run_agent(SdkAgent()))  # type: ignore[arg-type]
