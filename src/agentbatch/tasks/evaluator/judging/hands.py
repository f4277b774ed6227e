"""The judge's own hands: before it answers it may run commands and read files in a throw-away copy of the directory."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from types import MappingProxyType

from agentbatch.mcp.server import McpServer, for_evaluator
from agentbatch.mcp.task_servers import TaskServers
from agentbatch.model.answer.answer import new_call_id
from agentbatch.model.reply import Message, Reply, ToolCall, ToolSpec
from agentbatch.runs.events import CheckLine
from agentbatch.tasks.agents.messages import assistant_message, tool_message
from agentbatch.tasks.agents.shorten import shortened
from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner
from agentbatch.tasks.evaluator.checks.copying import NoCopy, copy_of
from agentbatch.workspace.tools.arguments import ArgumentsError, parse_arguments
from agentbatch.workspace.tools.toolbox import HANDS, specs
from agentbatch.workspace.workspace import CommandRecord, ToolResult, Workspace

TOOLS = ("bash", "read_file")
MAX_SHOWN = 4000
"""Characters of a result that the judge sees, head and tail."""
MAX_COMMAND = 2000
"""Characters of a command that are shown."""

NO_EVIDENCE = "A server outside says this; it is no evidence, and has no ref:"
USED_UP = "Not run: your calls are used up. Answer now with the JSON object only."


class Hands:
    """Those of one evaluation. What they ran is evidence: `[R1]`, `[R2]`, in the order of the calls."""

    def __init__(
        self,
        runner: CheckRunner,
        steps: int,
        before: Sequence[CommandRecord] = (),
        servers: Mapping[str, McpServer] = MappingProxyType({}),
        told: set[str] | None = None,
    ) -> None:
        """`steps`: calls at most. `before`: what was run for the judge already. `servers`: of tools, of which the judge
        has those that the user has named for it. `told`: what a person knows of these from earlier evaluations."""
        self.runs = [*before]
        self._before = len(self.runs)
        self._runner = runner
        self._left = steps
        self._copy: Workspace | None = None
        self._servers = for_evaluator(servers)
        self._served: TaskServers | None = None
        self._told = set() if told is None else told

    @property
    def used(self) -> bool:
        """Something was run."""
        return len(self.runs) > self._before

    @property
    def used_up(self) -> bool:
        return self._left <= 0

    @property
    def tools(self) -> list[ToolSpec]:
        """As the model gets them."""
        served = self._served.tools.values() if self._served is not None else ()
        return [*specs({name: HANDS[name] for name in TOOLS}), *(tool.spec for tool in served)]

    async def ready(self) -> None:
        """Before the first look: servers are started in the copy, where what they change is lost. One that is elsewhere
        has to say of a tool that it changes nothing."""
        if not self._servers or self._served is not None:
            return
        with suppress(NoCopy):  # what cannot be copied is told when it is looked at
            served = TaskServers(self._servers, await self._copied(), self._runner.redact, self._tell)
            self._served = served
            tools = await served.learn()
            served.know([tool for tool in tools if tool.reads_only or not self._servers[tool.server].url])

    async def answer(self, reply: Reply) -> list[Message]:
        """The reply and the answers to its calls, as the conversation goes on. Each call is answered once; those that
        are too many are not carried out. Errors as of Evaluator."""
        # Ids of our own: what a model calls them need not be unique, or there at all.
        calls = tuple(replace(call, id=new_call_id()) for call in reply.tool_calls)
        answers = [tool_message(call.id, await self._carry_out(call)) for call in calls]
        return [assistant_message(reply, calls), *answers]

    async def close(self) -> None:
        if self._served is not None:
            await self._served.close()
        copy, self._copy = self._copy, None
        if copy is not None:
            await copy.close()

    async def _carry_out(self, call: ToolCall) -> str:
        if self._left <= 0:
            return USED_UP
        self._left -= 1
        if self._served is not None and call.name in self._served.tools:
            return await self._asked(self._served, call)
        if call.name not in TOOLS:
            return f"There is no tool {call.name[:100]!r}. The tools are {' and '.join(TOOLS)}."
        try:
            copy = await self._copied()
        except NoCopy as error:
            return self._runner.redact(f"Not run: the directory cannot be copied: {error.why}.")
        named = shortened(self._runner.redact(_named(call)), MAX_COMMAND)
        self._runner.started("look", named)
        begun = monotonic()
        result = await copy.call(call.name, call.arguments)
        record = self._record(named, result, monotonic() - begun)
        self._runner.finished(
            CheckResult(record.command, record.exit_code, record.tail, record.seconds, "look", binding=False)
        )
        if result.invalid:
            return record.tail
        self.runs.append(record)
        end = "killed" if record.exit_code is None else f"exit {record.exit_code}"
        return f"[R{len(self.runs)}] run by the evaluator, {end}: {record.command}\n{record.tail}"

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._runner.notice(text)

    async def _copied(self) -> Workspace:
        if self._copy is None:
            self._copy = await copy_of(self._runner.workspace)
        return self._copy

    async def _asked(self, served: TaskServers, call: ToolCall) -> str:
        """What a server says, which nobody has seen: it has no ref, and nothing can be quoted from it."""
        named = shortened(self._runner.redact(f"{call.name} {call.arguments}"), MAX_COMMAND)
        self._runner.started("look", named)
        begun = monotonic()
        result = await served.call(call.name, call.arguments)
        record = self._record(named, result, monotonic() - begun)
        self._runner.finished(
            CheckResult(record.command, record.exit_code, record.tail, record.seconds, "look", binding=False)
        )
        return f"{NO_EVIDENCE}\n{record.tail}"

    def _record(self, named: str, result: ToolResult, seconds: float) -> CommandRecord:
        text = shortened(self._runner.redact(result.text), MAX_SHOWN)
        if result.command is None:
            return CommandRecord(named, 0 if result.ok else 1, text, seconds)
        return CommandRecord(named, result.command.exit_code, text, result.command.seconds)


def look_line(run: CommandRecord) -> CheckLine:
    """What was run, in short; how it ended is for the judge to weigh."""
    return CheckLine(kind="look", command=run.command, passed=run.exit_code == 0, counts=False)


def _named(call: ToolCall) -> str:
    """The command, or the call as the model wrote it."""
    tool = HANDS[call.name]
    try:
        said = tool.summary(parse_arguments(tool, call.arguments))
    except ArgumentsError:
        said = call.arguments
    return said if call.name == "bash" else f"{call.name} {said}"
