"""`agentbatch coders`: the coders that a task can name, which of them are installed, and whether they speak."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agentbatch import __version__
from agentbatch.cli.flags import add_setting_flags, given_settings
from agentbatch.config import SandboxName, load
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.external.probe import probe
from agentbatch.tasks.coders.makers import CoderKinds
from agentbatch.tasks.run.assemble import throwaway_workspace
from agentbatch.tasks.run.prepare.coders import check_named
from agentbatch.text import clip, pad, width
from agentbatch.workspace.preparation import choose_sandbox, find_program, own_environment

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


class Found(NamedTuple):
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
    parser.add_argument("--json", dest="as_json", action="store_true", help="print the list as JSON")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Raises UserError."""
    kinds = CoderKinds(Path.cwd())
    for name in args.names:
        check_named(kinds, name, "coders")
    chosen = [entry for name, entry in kinds.entries.items() if not args.names or name in args.names]
    settings = load(given_settings(args), os.environ, getattr(args, "env_file", None)).settings
    found = asyncio.run(look(chosen, os.environ, settings.sandbox))
    if args.as_json:
        sys.stdout.write(json.dumps([one.document() for one in found], indent=2) + "\n")
    else:
        out = Writer(sys.stdout)
        out.line("\n".join(lines(found, out.columns if out.isatty() else WHOLE)))
        out.flush()
    return 0


async def look(entries: list[CoderEntry], environ: Mapping[str, str], sandbox: SandboxName) -> list[Found]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(entry: CoderEntry) -> Found:
        if entry.protocol == "builtin":
            return Found(entry, None, __version__)
        async with room:
            return await _asked(entry, environ, sandbox)

    return await asyncio.gather(*map(one, entries))


async def _asked(entry: CoderEntry, environ: Mapping[str, str], sandbox: SandboxName) -> Found:
    with tempfile.TemporaryDirectory(prefix="agentbatch-coders-") as name:
        folder = Path(name).resolve()
        ours = own_environment(environ, [folder, Path.cwd()])
        try:
            path = str(find_program(entry.program, ours["PATH"], [folder, Path.cwd()]))
        except UserError:
            return Found(entry, None)
        choice = choose_sandbox(sandbox, ours["PATH"])
        async with throwaway_workspace(folder, environ, choice) as workspace:
            probed = await probe(entry, workspace)
    return Found(entry, path, probed.version, probed.speaks, probed.problem)


def lines(found: list[Found], columns: int = WHOLE) -> list[str]:
    """A line each; below it what is wrong with one, and the program where the line has no place for it."""
    rows = [("coder", "protocol", "version", "speaks", "from", "program"), *map(_row, found)]
    widths = [max(width(row[place]) for row in rows) for place in range(5)]
    told: list[str] = []
    for row, one in zip(rows, [None, *found], strict=True):
        line = " ".join([*map(pad, row[:5], widths), row[5]]).rstrip()
        told += [line] if width(line) <= columns else [line.removesuffix(row[5]).rstrip(), f"  {row[5]}"]
        if one is not None and one.problem:
            told.append(f"  {clip(one.problem, 300)}")
    return told


def _row(one: Found) -> tuple[str, ...]:
    entry = one.entry
    speaks = "" if one.speaks is None else "yes" if one.speaks else "no"
    there = one.path or (
        "" if entry.protocol == "builtin" else f"not installed: {entry.install}".rstrip(": ")
    )
    origin = "yours" if entry.own else "agentbatch"
    return entry.name, entry.protocol, clip(one.version, 20), speaks, origin, clip(there, 120)
