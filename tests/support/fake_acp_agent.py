"""A coding agent that speaks the Agent Client Protocol and does what a script says: `python fake_acp_agent.py SCRIPT`.

SCRIPT is JSON: {"turns": [[step, ...], ...], ...}; the last turn serves for all after it. A step is an object with one
of the keys in STEPS. It needs nothing but the standard library: it starts in a few hundredths of a second, and says
what no well-behaved library would.

What it was asked is appended to `heard.jsonl` in its HOME, where its sessions are too, or to SCRIPT's `heard`.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]
HOME = Path(os.environ.get("HOME", "."))
SESSION = "session-{}"


class Cancelled(Exception):
    """The client wants the turn to end."""


class Answered(Exception):
    """The turn ends with this."""

    def __init__(self, **answer: Any) -> None:
        super().__init__()
        self.answer = answer


class FakeAgent:
    def __init__(self, script: Message) -> None:
        self.script = script
        self.session = ""
        self.cancelled = threading.Event()
        self.inbox: queue.Queue[Message | None] = queue.Queue()
        self.answers: queue.Queue[Message] = queue.Queue()
        self.number = 0
        self.unread = False

    # the line ----------------------------------------------------------------------------------------------------

    def listen(self) -> None:
        for line in sys.stdin:
            while self.unread:
                time.sleep(60)
            message = json.loads(line)
            if message.get("method") == "session/cancel":
                self.heard("session/cancel", "")
                self.cancelled.set()
            elif "method" in message:
                self.inbox.put(message)
            else:
                self.answers.put(message)
        self.inbox.put(None)

    def send(self, **message: Any) -> None:
        self.line(json.dumps({"jsonrpc": "2.0", **message}))

    def line(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def update(self, said: str, **more: Any) -> None:
        update = {"sessionUpdate": said, **more}
        self.send(method="session/update", params={"sessionId": self.session, "update": update})

    def request(self, method: str, **params: Any) -> Message:
        self.number += 1
        self.send(id=f"r{self.number}", method=method, params={"sessionId": self.session, **params})
        return self.answers.get(timeout=300)

    def heard(self, method: str, text: str, **more: Any) -> None:
        with Path(self.script.get("heard", HOME / "heard.jsonl")).open("a") as file:
            file.write(json.dumps({"method": method, "text": text, "session": self.session, **more}) + "\n")

    # requests ----------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        threading.Thread(target=self.listen, daemon=True).start()
        while (message := self.inbox.get()) is not None:
            answer = self.answer(message["method"], message.get("params") or {})
            if "id" in message:
                self.send(id=message["id"], **answer)
                for step in (
                    self.script.get("after_the_end", []) if message["method"] == "session/prompt" else []
                ):
                    self.step(step)

    def answer(self, method: str, params: Message) -> Message:
        refused = self.script.get("refuse", {}).get(method)
        if refused is not None:
            return {"error": refused}
        match method:
            case "initialize":
                for step in self.script.get("before", []):
                    self.step(step)
                able = {"loadSession": self.script.get("loads", True)}
                version = self.script.get("version", 1)
                info = {"name": "fake", "version": "1.0"}
                logins = [{"id": "web", "name": "Web"}]
                hello = {"agentCapabilities": able, "agentInfo": info, "authMethods": logins}
                return {"result": {"protocolVersion": version, **hello}}
            case "session/new":
                number = len(list(HOME.glob("session-*.json")))
                self.session = SESSION.format(number)
                self.keep([])
                self.heard(method, params["cwd"], servers=params["mcpServers"])
                return {
                    "result": {
                        "sessionId": self.script.get("session", self.session),
                        **self.script.get("new", {}),
                    }
                }
            case "session/load":
                self.session = params["sessionId"]
                for step in self.script.get("replay", []):
                    self.step(dict(step))
                if self.script.get("anyone"):
                    self.heard(method, "")
                    return {"result": {}}
                if not self.kept.exists():
                    return {"error": {"code": -32002, "message": "no such session"}}
                for text in json.loads(self.kept.read_text()):
                    self.update("user_message_chunk", content={"type": "text", "text": text})
                    self.update("agent_message_chunk", content={"type": "text", "text": "(as said before)"})
                self.heard(method, "")
                return {"result": {}}
            case "session/prompt":
                return self.prompt(params["prompt"][0]["text"])
        self.heard(method, "", params=params)
        return {"result": {}}

    @property
    def kept(self) -> Path:
        return HOME / f"{self.session}.json"

    def keep(self, prompts: list[str]) -> None:
        self.kept.write_text(json.dumps(prompts))

    def prompt(self, text: str) -> Message:
        self.heard("session/prompt", text)
        if not self.script.get("anyone"):
            self.keep([*json.loads(self.kept.read_text()), text])
        turns = self.script["turns"]
        done = HOME / "turns"
        number = int(done.read_text()) if done.exists() else 0
        done.write_text(str(number + 1))
        self.cancelled.clear()
        try:
            for step in turns[min(number, len(turns) - 1)]:
                self.step(step)
        except Answered as end:
            return end.answer
        except Cancelled:
            return {"result": {"stopReason": "cancelled"}}
        return {"result": {"stopReason": "end_turn"}}

    # steps -------------------------------------------------------------------------------------------------------

    def step(self, step: Message) -> None:
        (name, value), *rest = step.items()
        STEPS[name](self, value, **dict(rest))

    def say(self, text: str) -> None:
        self.update("agent_message_chunk", content={"type": "text", "text": text})

    def think(self, text: str) -> None:
        self.update("agent_thought_chunk", content={"type": "text", "text": text})

    def raw_update(self, update: Message) -> None:
        self.update(update.pop("sessionUpdate"), **update)

    def run(self, command: str, id: str = "") -> None:  # noqa: A002 - as the protocol has it
        name = id or self.next_id()
        given = {"title": f"`{command}`", "kind": "execute", "rawInput": {"command": command}}
        self.update("tool_call", toolCallId=name, status="in_progress", **given)
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        text = {"type": "content", "content": {"type": "text", "text": done.stdout + done.stderr}}
        status = "failed" if done.returncode else "completed"
        output = {"exit_code": done.returncode}
        self.update("tool_call_update", toolCallId=name, status=status, content=[text], rawOutput=output)

    def write(self, path: str, text: str = "") -> None:
        name, place = self.next_id(), Path.cwd() / path
        place.write_text(text)
        diff = {"type": "diff", "path": str(place), "newText": text}
        self.update("tool_call", toolCallId=name, title=f"Write {path}", kind="edit", status="pending")
        self.update("tool_call_update", toolCallId=name, status="completed", content=[diff])

    def next_id(self) -> str:
        self.number += 1
        return f"t{self.number}"

    def plan(self, entries: list[list[str]]) -> None:
        given = [{"content": text, "status": status, "priority": "medium"} for text, status in entries]
        self.update("plan", entries=given)

    def ask(self, title: str, then: list[Message], options: list[list[str]] | None = None) -> None:
        """Asks for leave, and does what it meant to where it gets it."""
        name = self.next_id()
        chosen = options or [["yes", "allow_once"], ["always", "allow_always"], ["no", "reject_once"]]
        given = [{"optionId": one, "name": one, "kind": kind} for one, kind in chosen]
        call = {"toolCallId": name, "title": title, "kind": "execute", "rawInput": {"command": title}}
        answer = self.request("session/request_permission", toolCall=call, options=given)
        self.heard("permission", title, answer=answer)
        outcome = answer.get("result", {}).get("outcome", {})
        if outcome.get("optionId") in ("yes", "always"):
            for step in then:
                self.step(step)

    def request_of(self, method: str, params: Message | None = None) -> None:
        self.heard("asked", method, answer=self.request(method, **(params or {})))

    def call(self, prompt: str, times: int = 1, stream: bool = False) -> None:
        """Calls its model, as agents do: the gateway's address and the token are in its environment."""
        for _ in range(times):
            asked = [{"role": "user", "content": prompt}]
            body = {"model": os.environ["FAKE_MODEL"], "messages": asked, "stream": stream}
            request = urllib.request.Request(
                f"{os.environ['FAKE_URL']}/chat/completions",
                json.dumps(body).encode(),
                {"Authorization": f"Bearer {os.environ['FAKE_TOKEN']}", "Content-Type": "application/json"},
            )
            try:
                with urllib.request.urlopen(request, timeout=300) as answer:
                    if stream:
                        self.heard("streaming", answer.readline().decode())
                        answer.read()
                        continue
                    usage = json.load(answer)["usage"]
                    self.heard("call", prompt, usage=usage)
            except urllib.error.HTTPError as error:
                self.heard("call", prompt, status=error.code, body=error.read().decode())
                message = f"{error.code} from its model"
                raise Answered(error={"code": -32603, "message": message}) from None

    def sleep(self, seconds: float) -> None:
        if self.cancelled.wait(seconds) and not self.script.get("deaf"):
            raise Cancelled
        if self.script.get("deaf"):
            time.sleep(seconds)

    def flood(self, size: int, line: int = 60_000) -> None:
        """So many bytes of what it says."""
        for _ in range(size // line):
            self.say("x" * line)

    def long(self, size: int) -> None:
        """A line that is so long."""
        self.line("x" * size)

    def long_update(self, size: int) -> None:
        self.say("x" * size)

    def endless(self, step: Message) -> None:
        while True:
            self.step(dict(step))

    def spawn(self, command: str) -> None:
        """Leaves a process behind."""
        subprocess.Popen(["bash", "-c", command], start_new_session=True, stdin=subprocess.DEVNULL)

    def die(self, code: int) -> None:
        sys.stdout.flush()
        os._exit(code)

    def stop(self, reason: str) -> None:
        raise Answered(result={"stopReason": reason})

    def fail(self, error: Message) -> None:
        raise Answered(error=error)

    def stop_reading(self, _: Any) -> None:
        """From the next message on, which it still takes."""
        self.unread = True

    def shout(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    def environment(self, path: str) -> None:
        Path(path).write_text(json.dumps(dict(os.environ)))


STEPS: dict[str, Callable[..., None]] = {
    "say": FakeAgent.say,
    "think": FakeAgent.think,
    "update": FakeAgent.raw_update,
    "run": FakeAgent.run,
    "write": FakeAgent.write,
    "plan": FakeAgent.plan,
    "ask": FakeAgent.ask,
    "request": FakeAgent.request_of,
    "call": FakeAgent.call,
    "sleep": FakeAgent.sleep,
    "line": FakeAgent.line,
    "flood": FakeAgent.flood,
    "long": FakeAgent.long,
    "long_update": FakeAgent.long_update,
    "endless": FakeAgent.endless,
    "spawn": FakeAgent.spawn,
    "die": FakeAgent.die,
    "stop": FakeAgent.stop,
    "fail": FakeAgent.fail,
    "shout": FakeAgent.shout,
    "stop_reading": FakeAgent.stop_reading,
    "environment": FakeAgent.environment,
}

if __name__ == "__main__":
    FakeAgent(json.loads(Path(sys.argv[1]).read_text())).serve()
