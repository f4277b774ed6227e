"""`agentbatch coders`: the coders that a task can name, which of them are installed, and whether they speak."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agentbatch import __version__
from agentbatch.cli.flags import add_setting_flags, add_trust_flag, given_settings
from agentbatch.config import SandboxName, load
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError
from agentbatch.runs.named_anew import check_trusted
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.external.probe import probe
from agentbatch.tasks.coders.makers import CoderKinds
from agentbatch.tasks.run.prepare.coders import check_named, missing_package
from agentbatch.tasks.run.prepare.own_files import planted_coders
from agentbatch.tasks.run.workspaces.local import throwaway_workspace
from agentbatch.text import clip, fold, pad, width
from agentbatch.workspace.preparation import choose_here, find_program, own_environment

DESCRIPTION = """\
List the coders that tasks can name (--coder NAME), ours and those of your
agents/coders.toml. Each that is installed is asked for its version and, where
it speaks the Agent Client Protocol, for an answer; no model is called.
"""

EPILOG = """\
examples:
  agentbatch coders
  agentbatch coders codex --json
  agentbatch doctor --coder codex     # a small task through it
"""

AT_ONCE = 2
"""Programs that are asked: one may take 900 MB."""


WHOLE = 1_000
"""Columns of what is no terminal: a coder is a line."""


class CoderStatus(NamedTuple):
    entry: CoderEntry
    path: str | None
    """None: it is not installed."""
    version: str = ""
    speaks: bool | None = None
    problem: str = ""

    def document(self) -> dict[str, Any]:
        entry = self.entry
        return {
            "name": entry.name,
            "protocol": entry.protocol,
            "installed": entry.protocol == "builtin" or self.path is not None,
            "program": self.path,
            "version": self.version or None,
            "speaks": self.speaks,
            "problem": self.problem or None,
            "own": entry.own,
            "gateway": entry.gateway,
            "api": entry.api if entry.gateway else None,
            "memoryMB": entry.memory or None,
            "install": entry.install or None,
        }


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("coders", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    add_setting_flags(parser, ("shell",), shown=("sandbox",))
    add_trust_flag(parser)
    parser.add_argument("--json", dest="as_json", action="store_true", help="print the list as JSON")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Raises UserError."""
    kinds = CoderKinds(Path.cwd())
    for name in args.names:
        check_named(kinds, name, "coders")
    chosen = [entry for name, entry in kinds.entries.items() if not args.names or name in args.names]
    settings = load(given_settings(args), os.environ, getattr(args, "env_file", None)).settings
    check_trusted(Path.cwd(), settings)
    planted = "" if settings.trust_changes else planted_coders(kinds.folder)
    asyncio.run(_show(look(chosen, os.environ, settings.sandbox, planted), chosen, as_json=args.as_json))
    return 0


async def _show(looked: AsyncIterator[CoderStatus], entries: list[CoderEntry], *, as_json: bool) -> None:
    """Each as soon as it and those before it are known: some take seconds to say their version."""
    out = Writer(sys.stdout)
    if as_json:
        out.line(json.dumps([one.document() async for one in looked], indent=2))
        return
    columns = out.columns if out.isatty() else WHOLE
    widths = column_widths(entries)
    out.line(head(widths))
    for entry in entries:
        if out.isatty():
            out.write(f"{entry.name} …\r")  # what its line begins with
            out.flush()
        for text in lines(await anext(looked), widths, columns):
            out.line(text)


async def look(
    entries: list[CoderEntry], environ: Mapping[str, str], sandbox: SandboxName, planted: str = ""
) -> AsyncIterator[CoderStatus]:
    """In the order of `entries`. `planted`: why nothing is started that the user's file names; empty: it is."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(entry: CoderEntry) -> CoderStatus:
        if entry.protocol == "builtin":
            return CoderStatus(entry, None, __version__)
        if entry.own and planted:
            return CoderStatus(entry, None, problem=planted)
        async with room:
            return await _asked(entry, environ, sandbox)

    async with asyncio.TaskGroup() as group:
        for task in [group.create_task(one(entry)) for entry in entries]:
            yield await task


async def _asked(entry: CoderEntry, environ: Mapping[str, str], sandbox: SandboxName) -> CoderStatus:
    with tempfile.TemporaryDirectory(prefix="agentbatch-coders-") as name:
        folder = Path(name).resolve()
        ours = own_environment(environ, [folder, Path.cwd()])
        try:
            path = str(find_program(entry.program, ours["PATH"], [folder, Path.cwd()]))
        except UserError:
            return CoderStatus(entry, None)
        choice = choose_here(sandbox, ours["PATH"])
        async with throwaway_workspace(folder, ours, choice) as workspace:
            probed = await probe(entry, workspace)
    missing = missing_package(entry)
    problem = probed.problem or (f"It {missing}." if missing else "")
    return CoderStatus(entry, path, probed.version, probed.speaks, problem)


HEADS = ("coder", "protocol", "version", "speaks", "from", "program")
VERSION_WIDTH = 10


def column_widths(entries: Iterable[CoderEntry]) -> list[int]:
    """Cells of each column but the last, before more is known than the entries."""
    rows = [HEADS, *(_row(CoderStatus(entry, None)) for entry in entries)]
    widths = [max(width(row[place]) for row in rows) for place in range(5)]
    return [*widths[:2], VERSION_WIDTH, *widths[3:]]


def head(widths: Sequence[int]) -> str:
    return " ".join([*map(pad, HEADS, widths), HEADS[-1]])


def lines(one: CoderStatus, widths: Sequence[int], columns: int = WHOLE) -> list[str]:
    """A line; below it what is wrong, and the program where the line has no place for it."""
    row = _row(one)
    whole = " ".join([*map(pad, row[:5], widths), row[5]]).rstrip()
    told = [whole] if width(whole) <= columns else [whole.removesuffix(row[5]).rstrip(), f"  {row[5]}"]
    if one.problem:
        told += fold(f"  {clip(one.problem, 300)}", columns, 2)
    return told


def _row(one: CoderStatus) -> tuple[str, ...]:
    entry = one.entry
    speaks = "" if one.speaks is None else "yes" if one.speaks else "no"
    there = one.path or (
        "" if entry.protocol == "builtin" else f"not installed: {entry.install}".rstrip(": ")
    )
    origin = "yours" if entry.own else "agentbatch"
    return entry.name, entry.protocol, clip(one.version, VERSION_WIDTH), speaks, origin, clip(there, 120)
