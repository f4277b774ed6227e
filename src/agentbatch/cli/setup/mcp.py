"""`agentbatch mcp`: the MCP servers of agents/coder.toml and of the task file, and their tools as a model gets them."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agentbatch.cli.flags import add_setting_flags, add_trust_flag, given_settings
from agentbatch.config import SandboxName, load, secret_variables
from agentbatch.config.loading import read_env_file
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError
from agentbatch.mcp.problems import ServerProblem
from agentbatch.mcp.server import McpServer
from agentbatch.mcp.task_servers import RunningServer
from agentbatch.mcp.tools import OfferedTools, offered, without_keys
from agentbatch.redaction import Redactor, shown_url
from agentbatch.runs.named_anew import check_trusted
from agentbatch.tasks.coders.makers import CoderKinds
from agentbatch.tasks.run.prepare.servers import check_package, filled, server_secrets
from agentbatch.tasks.run.workspaces.local import throwaway_workspace
from agentbatch.tasks.spec.task_file import load_tasks
from agentbatch.text import clip, counted, list_names
from agentbatch.workspace.preparation import choose_here, own_environment

DESCRIPTION = """\
List the MCP servers of agents/coder.toml and of the tasks, each started once
in an empty directory, with the names of its tools as a model has them, and
what of their schemas could not be kept. No model is called.
"""

EPILOG = """\
examples:
  agentbatch mcp
  agentbatch mcp notes -t other.json --json
"""

WHOLE = 1_000
"""Columns of what is no terminal: a tool is a line."""


class ServerStatus(NamedTuple):
    name: str
    where: str
    """agents/coder.toml, or the task."""
    server: McpServer
    tools: OfferedTools = OfferedTools(())
    problem: str = ""

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "from": self.where,
            "command": list(self.server.command) or None,
            "url": shown_url(self.server.url) or None,
            "problem": self.problem or None,
            "notes": list(self.tools.notes),
            "tools": [
                {**tool.model_dump(), "lost": list(self.tools.cleaned.get(tool.called, ()))}
                for tool in self.tools.tools
            ],
        }


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("mcp", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument(
        "-t",
        "--tasks",
        dest="task_file",
        metavar="FILE",
        type=Path,
        help="the task file [task.json, if there is one]",
    )
    add_setting_flags(parser, ("shell",), shown=("sandbox",))
    add_trust_flag(parser)
    parser.add_argument("--json", dest="as_json", action="store_true", help="print the list as JSON")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Raises UserError. 1: one of them cannot be used."""
    folder = Path.cwd()
    settings = load(given_settings(args), os.environ, getattr(args, "env_file", None)).settings
    check_trusted(Path.cwd(), settings)
    environ = {**read_env_file(None, folder), **os.environ}
    known = servers_of(folder, args.task_file)
    names = sorted({one.name for one in known})
    for name in args.names:
        if name not in names:
            others = (
                f"there {'is' if len(names) == 1 else 'are'} {list_names(names)}"
                if names
                else "none is named"
            )
            raise UserError(f"There is no MCP server {clip(name, 60)!r}; {others} (docs/mcp.md).")
    chosen = [one for one in known if not args.names or one.name in args.names]
    if chosen:
        check_package()
    return asyncio.run(_show(chosen, environ, settings.sandbox, as_json=args.as_json))


def servers_of(folder: Path, task_file: Path | None) -> list[ServerStatus]:
    """Each once, however many tasks have it. Raises UserError."""
    found = [
        ServerStatus(name, "agents/coder.toml", server) for name, server in CoderKinds(folder).servers.items()
    ]
    tasks = task_file or folder / "task.json"
    for number, task in enumerate(load_tasks(tasks) if task_file or tasks.is_file() else [], 1):
        for name, server in task.mcp.items():
            if all((one.name, one.server) != (name, server) for one in found):
                found.append(ServerStatus(name, f"task {task.id or number}", server))
    return found


async def _show(
    chosen: Sequence[ServerStatus], environ: Mapping[str, str], sandbox: SandboxName, *, as_json: bool
) -> int:
    out = Writer(sys.stdout)
    looked = [one async for one in look(chosen, environ, sandbox)]
    if as_json:
        out.line(json.dumps([one.document() for one in looked], indent=2, ensure_ascii=False))
    elif not looked:
        out.line("No MCP server is named in agents/coder.toml or in a task (docs/mcp.md).")
    else:
        for one in looked:
            for text in lines(one, out.columns if out.isatty() else WHOLE):
                out.line(text)
    return 1 if any(one.problem for one in looked) else 0


async def look(
    servers: Sequence[ServerStatus], environ: Mapping[str, str], sandbox: SandboxName
) -> AsyncIterator[ServerStatus]:
    """Each started, asked and ended, one after another. Raises UserError for a header's variable that is not set."""
    ready = [
        one._replace(server=filled(f"The MCP server {one.name}", one.server, environ, secret_variables()))
        for one in servers
    ]
    redact = Redactor(server_secrets(one.server for one in ready))
    with tempfile.TemporaryDirectory(prefix="agentbatch-mcp-") as name:
        folder = Path(name).resolve()
        ours = own_environment(environ, [folder, Path.cwd()])
        async with throwaway_workspace(folder, ours, choose_here(sandbox, ours["PATH"])) as workspace:
            for one in ready:
                running = RunningServer(one.name, one.server, workspace)
                try:
                    tools = offered(one.name, one.server, await running.list())
                    yield one._replace(tools=without_keys(tools, redact))
                except ServerProblem as problem:
                    yield one._replace(problem=redact(str(problem)))
                finally:
                    await running.stop()


def lines(one: ServerStatus, columns: int) -> list[str]:
    """What a terminal shows of one."""
    place = " ".join(one.server.command) or shown_url(one.server.url)
    told = one.problem or counted(len(one.tools.tools), "tool")
    found = [f"{one.name} ({one.where}): {place}", f"  {told}", *(f"  {note}" for note in one.tools.notes)]
    for tool in one.tools.tools:
        found.append(f"  {tool.called}{' (changes nothing)' if tool.reads_only else ''}: {tool.description}")
        if lost := one.tools.cleaned.get(tool.called):
            found.append(f"    schema: {'; '.join(lost)}")
    return [text[: len(text) - len(text.lstrip())] + clip(text, columns - 4) for text in found]
