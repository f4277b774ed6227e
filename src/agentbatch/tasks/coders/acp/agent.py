"""An agent's program as one task sees it: started, greeted, put into a session, prompted, cancelled.

Whatever it does, the answer is one sentence (AgentProblem), and nothing waits for it without an end. To import this
file takes 0.6 s of CPU, the protocol's package: that is for those who have such an agent.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from acp.connection import Connection
from acp.exceptions import RequestError
from acp.schema import (
    CancelNotification,
    ClientCapabilities,
    FileSystemCapabilities,
    Implementation,
    InitializeRequest,
    LoadSessionRequest,
    NewSessionRequest,
    PromptRequest,
    SetSessionConfigOptionBooleanRequest,
    SetSessionConfigOptionSelectRequest,
    SetSessionModeRequest,
    TextContentBlock,
)

from agentbatch import __version__
from agentbatch.tasks.coders.acp import permission
from agentbatch.tasks.coders.acp.servers import AcpServers
from agentbatch.tasks.coders.acp.transport import ProcessTransport
from agentbatch.tasks.coders.acp.updates import read_quota, read_update, read_usage
from agentbatch.tasks.coders.external.limits import AgentProblem, AgentRefusal, Pace, TurnEnded, TurnLimits
from agentbatch.tasks.coders.external.updates.update import AgentUpdate
from agentbatch.text import clip, list_names
from agentbatch.workspace.workspace import Process

PROTOCOL = 1
"""The version that is spoken; 2 is a preview (agentclientprotocol/agent-client-protocol, docs/protocol/v2)."""
SAID = 300
"""Characters of an agent's own words in a sentence."""
NO_LOGIN = -32000
"""The code of an error: authentication is required."""
NOT_FOUND = {"code": -32601, "message": "Method not found"}


class AcpAgent:
    """One process, one session at a time. `take` is given what it tells in a turn."""

    def __init__(
        self,
        process: Process,
        take: Callable[[AgentUpdate], None],
        *,
        allow: bool,
        limits: TurnLimits,
        on_refusal: Callable[[str], None] = lambda what: None,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """`allow`: what it asks leave for is allowed; else refused, and `on_refusal` told. `is_busy`: it has reason to
        be silent."""
        self.process = process
        self.session = ""
        self.name = ""
        """And its version, as it gives them."""
        self.loads = False
        """It can take up a session of an earlier process."""
        self.takes: list[str] = []
        """Ways to MCP servers elsewhere that it knows: `http`, `sse`."""
        self._logins: list[str] = []
        """Ways to log in that it knows."""
        self._options: dict[str, Any] = {}
        """Those of its session, by id."""
        self._take = take
        self._allow = allow
        self._limits = limits
        self._on_refusal = on_refusal
        self._in_turn = False
        self._asked: asyncio.Task[dict[str, Any]] | None = None
        """The latest prompt."""
        self._pace = Pace(limits, is_busy)
        self._transport = ProcessTransport(process, self._serve, self._heard, unread=limits.unread)
        self._connection = Connection(_unserved, self._transport)

    @property
    def gone(self) -> bool:
        """Its program has ended, or says nothing any more."""
        return self._transport.over

    async def greet(self) -> None:
        """`initialize`. Raises AgentProblem."""
        request = InitializeRequest(
            protocol_version=PROTOCOL,
            client_capabilities=ClientCapabilities(
                fs=FileSystemCapabilities(read_text_file=False, write_text_file=False), terminal=False
            ),
            client_info=Implementation(name="agentbatch", version=__version__),
        )
        answer = await self._ask("initialize", request)
        version = answer.get("protocolVersion")
        if version != PROTOCOL:
            raise AgentProblem(
                f"It speaks version {clip(str(version), 20)} of the Agent Client Protocol, and agentbatch version "
                f"{PROTOCOL}."
            )
        able = answer.get("agentCapabilities")
        self.loads = isinstance(able, dict) and able.get("loadSession") is True
        servers = able.get("mcpCapabilities") if isinstance(able, dict) else None
        self.takes = [
            way for way in ("http", "sse") if isinstance(servers, dict) and servers.get(way) is True
        ]
        ways = answer.get("authMethods")
        self._logins = [
            str(one.get("name") or one.get("id"))
            for one in (ways if isinstance(ways, list) else [])
            if isinstance(one, dict)
        ]
        info = answer.get("agentInfo")
        if isinstance(info, dict):
            self.name = clip(f"{info.get('name', '')} {info.get('version', '')}", 80).strip()

    async def begin(self, directory: str, servers: AcpServers = ()) -> dict[str, Any]:
        """A new session; what the agent says of its modes and options. Raises AgentProblem."""
        try:
            answer = await self._ask("session/new", NewSessionRequest(cwd=directory, mcp_servers=[*servers]))
        except AgentRefusal as refusal:
            if refusal.code != NO_LOGIN:
                raise
            ways = f" ({list_names(self._logins)})" if self._logins else ""
            raise AgentProblem(
                f"It wants a login of its own{ways}: log in with it yourself, and name it in --coder-login."
            ) from None
        session = answer.get("sessionId")
        if not isinstance(session, str) or not session or len(session) > 1000:
            raise AgentProblem("It began a session without a usable id.")
        self.session = session
        self._note_options(answer)
        return answer

    async def load(self, session: str, directory: str, servers: AcpServers = ()) -> bool:
        """Take up a session of before; False: it cannot."""
        if not self.loads:
            return False
        request = LoadSessionRequest(session_id=session, cwd=directory, mcp_servers=[*servers])
        try:
            self._note_options(await self._ask("session/load", request))
        except AgentRefusal:
            return False
        self.session = session
        return True

    def _note_options(self, answer: dict[str, Any]) -> None:
        options = answer.get("configOptions")
        for one in options if isinstance(options, list) else []:
            if isinstance(one, dict) and isinstance(one.get("id"), str):
                self._options[one["id"]] = one

    async def set_mode(self, mode: str) -> None:
        await self._ask("session/set_mode", SetSessionModeRequest(session_id=self.session, mode_id=mode))

    async def set_option(self, name: str, value: str) -> None:
        """`value`: `true` or `false` for one that is switched on and off."""
        given = {"session_id": self.session, "config_id": name}
        request: SetSessionConfigOptionSelectRequest | SetSessionConfigOptionBooleanRequest
        if self._options.get(name, {}).get("type") == "boolean":
            request = SetSessionConfigOptionBooleanRequest(**given, type="boolean", value=value == "true")
        else:
            request = SetSessionConfigOptionSelectRequest(**given, value=value)
        await self._ask("session/set_config_option", request)

    async def prompt(self, text: str, enough: Callable[[], TurnEnded | None]) -> str:
        """A whole turn: why it stopped, as it says. `enough` is asked again and again whether the turn is to end.
        Raises AgentProblem; cancelled, the turn is left as it is (`cancel` follows)."""
        request = PromptRequest(session_id=self.session, prompt=[TextContentBlock(type="text", text=text)])
        self._pace.begin()
        self._in_turn = True
        asked = self._asked = asyncio.ensure_future(self._turn(request))
        try:
            while not asked.done():
                await asyncio.wait({asked}, timeout=self._limits.poll)
                if not asked.done() and (ended := enough() or self._pace.passed()):
                    raise ended
            answer = await asked
        finally:
            self._in_turn = False
        usage = read_usage(answer.get("usage")) or read_quota(answer.get("_meta"))
        if usage is not None:
            self._take(usage)
        return str(answer.get("stopReason"))[:40]

    async def cancel(self) -> None:
        """Ask it to end the turn under way, and give it a moment."""
        note = CancelNotification(session_id=self.session).model_dump(by_alias=True, exclude_none=True)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._limits.grace):
                await self._connection.send_notification("session/cancel", note)
                if self._asked is not None:
                    await asyncio.wait({self._asked})

    async def close(self) -> None:
        """End the program and all that it started."""
        try:
            await self._connection.close()
            if self._asked is not None:
                await asyncio.gather(self._asked, return_exceptions=True)
        finally:
            await self.process.stop()

    async def _turn(self, request: PromptRequest) -> dict[str, Any]:
        try:
            return await self._ask("session/prompt", request, timeout=None)
        finally:
            self._in_turn = False  # before anything that comes after the answer is read

    async def _ask(self, method: str, request: Any, timeout: float | None = 0.0) -> dict[str, Any]:
        """One request and its answer. `timeout`: seconds; 0: that of the limits; None: none."""
        given = request.model_dump(mode="json", by_alias=True, exclude_none=True)
        patience = self._limits.start if timeout == 0.0 else timeout
        try:
            async with asyncio.timeout(patience):
                answer = await self._connection.send_request(method, given)
        except TimeoutError:
            raise AgentProblem(f"It did not answer `{method}` within {patience:.0f} seconds.") from None
        except RequestError as error:
            sentence = _told(error.code, str(error), error.data)
            raise AgentRefusal(f"It refused `{method}`: {sentence}", error.code) from None
        except OSError:
            raise AgentProblem(await self._why_gone()) from None
        return answer if isinstance(answer, dict) else {}

    async def _why_gone(self) -> str:
        if self._transport.problem:
            return self._transport.problem
        code = None
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.grace):
                code = await self.process.wait()
        last = next((line for line in reversed(self.process.errors.splitlines()) if line.strip()), "")
        end = (
            "Its program closed the connection"
            if code is None
            else f"Its program ended with exit code {code}"
        )
        return f"{end}: {clip(last, SAID)}" if last else f"{end}."

    def _heard(self, size: int, messages: int) -> None:
        """In a turn the limits are looked at by who waits for its end."""
        self._pace.hear(size, messages)
        if not self._in_turn and (passed := self._pace.passed()):
            self._transport.end(str(passed))

    def _serve(self, method: str, params: Mapping[str, Any], wanted: bool) -> Mapping[str, Any]:
        """What it tells or asks, between two answers to us."""
        if wanted:
            self._pace.asked()
        match method:
            case "session/update":
                update = params.get("update")
                if self._in_turn and params.get("sessionId") == self.session and isinstance(update, dict):
                    self._hear(update)
                return {"result": None}
            case "session/request_permission":
                return {"result": self._permit(params)}
        return {"error": NOT_FOUND}

    def _hear(self, update: Mapping[str, Any]) -> None:
        if (read := read_update(update)) is not None:
            self._take(read)

    def _permit(self, params: Mapping[str, Any]) -> dict[str, Any]:
        call = params.get("toolCall")
        named = call if isinstance(call, dict) else {}
        if self._in_turn:
            self._hear({**named, "sessionUpdate": "tool_call_update"})
        allow = self._allow and self._in_turn
        if self._in_turn and not allow:
            self._on_refusal(clip(str(named.get("title") or "something"), SAID))
        return permission.answer_permission(params, allow=allow)


async def _unserved(method: str, params: Any, is_notification: bool) -> None:
    """The transport has answered what asks for something."""


def _told(code: int, message: str, data: object) -> str:
    details = data.get("details", data.get("message", "")) if isinstance(data, dict) else data
    words = f"{message} {details}" if isinstance(details, str) and details else message
    return f"{clip(words, SAID)} ({code})." if words.strip() else f"error {code}."
