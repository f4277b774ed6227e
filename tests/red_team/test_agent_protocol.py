"""Messages of a hostile agent that speaks the Agent Client Protocol, byte for byte, without a process: a turn ends with
what it may end with, and nothing that was not told in it counts."""

import asyncio
import json
from typing import Any, NamedTuple

import pytest

from agentbatch.tasks.coders.acp.agent import AcpAgent
from agentbatch.tasks.coders.external.limits import AgentProblem, TurnLimits
from agentbatch.tasks.coders.external.updates.update import AgentUpdate, MessageChunk, ToolCallUpdate

SESSION = "s"
ANSWER = b'{"jsonrpc":"2.0","id":%d,"result":{"stopReason":"end_turn"}}\n'


PIECE = 64 << 10


class Talk:
    """A process that answers each request of ours in order: a greeting, a session, and then what is to be tried."""

    errors = ""

    def __init__(self, tried: bytes) -> None:
        self._tried = tried
        self._output: asyncio.Queue[bytes] = asyncio.Queue()
        self.heard: list[dict[str, Any]] = []

    async def write(self, data: bytes) -> None:
        message = json.loads(data)
        self.heard.append(message)
        results = {"initialize": {"protocolVersion": 1}, "session/new": {"sessionId": SESSION}}
        if message.get("method") in results:
            answer = {"id": message["id"], "result": results[message["method"]]}
            self._output.put_nowait(json.dumps(answer).encode() + b"\n")
        elif message.get("method") == "session/prompt":
            whole = self._tried.replace(b"@", b"%d" % message["id"]) + ANSWER % message["id"]
            for place in range(0, len(whole), PIECE):
                self._output.put_nowait(whole[place : place + PIECE])
            self._output.put_nowait(b"")

    async def close_input(self) -> None: ...

    async def read(self, limit: int = 65536) -> bytes:
        return await self._output.get()

    async def wait(self) -> int:
        return 0

    async def stop(self) -> None: ...

    async def freeze(self) -> None: ...

    async def thaw(self) -> None: ...


def line(**message: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


def says(text: str, **more: Any) -> bytes:
    update = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}
    return line(method="session/update", params={"sessionId": SESSION, "update": update, **more})


def permission(**params: Any) -> bytes:
    return line(id="p", method="session/request_permission", params=params)


class Attempt(NamedTuple):
    sent: bytes
    """Before the turn's answer; `@` stands for the prompt's id."""
    said: str = ""
    """What counts as said."""
    end: str = "end_turn"
    """Empty: the connection is ended."""
    answers: int = 0
    """Of ours, to requests of its own."""


ATTEMPTS = {
    # ids
    "an answer to nothing": Attempt(line(id=999, result={"stopReason": "refusal"})),
    "an answer to what comes": Attempt(line(id=3, result={}) + line(id=4, result={})),
    "an id as text": Attempt(line(id="@", result={"stopReason": "refusal"})),
    "an id as a fraction": Attempt(b'{"id":@.0,"result":{"stopReason":"refusal"}}\n'),
    "an id as yes": Attempt(b'{"id":true,"result":{"stopReason":"refusal"}}\n'),
    "an id as nothing": Attempt(b'{"id":null,"result":{"stopReason":"refusal"}}\n'),
    "a negative id": Attempt(b'{"id":-@,"result":{"stopReason":"refusal"}}\n'),
    "a huge id": Attempt(b'{"id":' + b"9" * 4000 + b',"result":{}}\n'),
    "an id as a list": Attempt(b'{"id":[@],"result":{}}\n'),
    "two answers": Attempt(line(id=7, result={}) + ANSWER.replace(b"%d", b"@") + says("late"), end="end_turn"),
    "an answer, and work behind it": Attempt(ANSWER.replace(b"%d", b"@") + says("late")),
    "an answer and an error": Attempt(b'{"id":@,"result":{"stopReason":"end_turn"},"error":{"code":1}}\n', end=""),
    "an error of text": Attempt(b'{"id":@,"error":"no"}\n', end=""),
    "an error of odd parts": Attempt(b'{"id":@,"error":{"code":"x","message":[],"data":{}}}\n', end=""),
    "a result of text": Attempt(b'{"id":@,"result":"end_turn"}\n', end="None"),
    "a result of a list": Attempt(b'{"id":@,"result":[]}\n', end="None"),
    "an odd reason": Attempt(b'{"id":@,"result":{"stopReason":{"a":"' + b"x" * 999 + b'"}}}\n', end="{'a': 'xxxxx"),
    # what it asks of us
    "our files": Attempt(line(id="a", method="fs/read_text_file", params={"path": "/etc/passwd"}), answers=1),
    "to write our files": Attempt(line(id="a", method="fs/write_text_file", params={"path": "/x"}), answers=1),
    "a terminal": Attempt(line(id="a", method="terminal/create", params={"command": "sh"}), answers=1),
    "a method of ours": Attempt(line(id="a", method="session/prompt", params={"prompt": []}), answers=1),
    "to begin again": Attempt(line(id="a", method="initialize", params={"protocolVersion": 1}), answers=1),
    "to cancel": Attempt(line(method="session/cancel", params={"sessionId": SESSION})),
    "leave without options": Attempt(permission(sessionId=SESSION), answers=1),
    "leave with odd options": Attempt(permission(options=[None, 1, {"kind": "allow_once"}]), answers=1),
    "leave with an odd call": Attempt(permission(toolCall={"toolCallId": [], "title": {}}), answers=1),
    "leave twice by one id": Attempt(permission() * 2, answers=2),
    "leave of no parameters": Attempt(b'{"id":"p","method":"session/request_permission","params":null}\n', answers=1),
    "a method that is none": Attempt(line(id="a", method="$/\x00" + "x" * 9999), answers=1),
    "a method of a number": Attempt(b'{"id":"a","method":7}\n'),
    "a notice with an id of nothing": Attempt(b'{"id":null,"method":"fs/read_text_file"}\n'),
    # sessions
    "another session": Attempt(says("No.", sessionId="other")),
    "no session": Attempt(line(method="session/update", params={"update": {"sessionUpdate": "plan"}})),
    "parameters of a list": Attempt(line(method="session/update", params=[{"sessionId": SESSION}])),
    "an update of text": Attempt(line(method="session/update", params={"sessionId": SESSION, "update": "x"})),
    # bytes
    "no JSON": Attempt(b"hello\n" + says("Yes."), "Yes."),
    "empty lines": Attempt(b"\n\r\n \n" + says("Yes."), "Yes."),
    "other ends of lines": Attempt(says("Yes.").replace(b"\n", b"\r\n"), "Yes."),
    "a batch": Attempt(b"[" + says("No.").strip() + b"]\n"),
    "two in a line": Attempt(says("No.").strip() + says("No.")),
    "a mark before it": Attempt(b"\xef\xbb\xbf" + says("Yes."), "Yes."),
    "bytes that are no text": Attempt(says("Y@s.").replace(b"@", b"\xff\xfe") + says("Yes."), "Yes."),
    "sixteen bits": Attempt(says("Yes.").decode().strip().encode("utf-16") + b"\n", "Yes."),
    "half a sign": Attempt(says("\ud800 Yes."), "\ud800 Yes."),
    "lines within a text": Attempt(says("a\u2028b\u0085c"), "a\u2028b\u0085c"),
    "deep": Attempt(b'{"method":"session/update","params":' + b"[" * 100_000 + b"\n" + says("Yes."), "Yes."),
    "deep and whole": Attempt(b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"\n" + says("Yes."), "Yes."),
    "no number": Attempt(b'{"id":NaN,"result":Infinity}\n'),
    "a number of many digits": Attempt(b'{"x":' + b"1" * 100_000 + b"}\n" + says("Yes."), "Yes."),
    "a name twice": Attempt(b'{"id":@,"result":{"stopReason":"refusal","stopReason":"end_turn"}}\n'),
    "an update that is too long": Attempt(says("x" * (1 << 20)) + says("Yes."), "Yes."),
    "a message that is too long": Attempt(b"x" * (1 << 20) + b"\n", end=""),
    "no end of a line": Attempt(says("No.").strip() + b" ", end=""),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_a_turn_ends_and_nothing_else_counts(name: str) -> None:
    attempt, told = ATTEMPTS[name], list[AgentUpdate]()
    talk = Talk(attempt.sent)
    agent = AcpAgent(
        talk, told.append, allow=True, limits=TurnLimits(poll=0.05, grace=0.1, start=10.0, silence=10.0)
    )
    agent._transport._limit = 1 << 19
    try:
        await agent.greet()
        await agent.begin("/w")
        before = len(talk.heard)
        try:
            end = await agent.prompt("Do it.", lambda: None)
        except AgentProblem:
            end = ""
        assert end[:12] == attempt.end[:12]
        assert "".join(one.text for one in told if isinstance(one, MessageChunk)) == attempt.said
        assert not [one for one in told if isinstance(one, ToolCallUpdate) and one.command]
        answers = talk.heard[before + 1 :]
        assert len(answers) == attempt.answers
        assert all("method" not in one for one in answers)
    finally:
        await agent.close()
