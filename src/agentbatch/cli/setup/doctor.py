"""`agentbatch doctor`: does everything that a run needs work here? Each check says what to do if not."""

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agentbatch.cli.flags import add_setting_flags, add_trust_flag, given_settings
from agentbatch.cli.setup.check import Check
from agentbatch.cli.setup.origins import origins
from agentbatch.config import LoadedSettings, load
from agentbatch.runs.named_anew import check_trusted
from agentbatch.text import clip, counted, fold, harmless

DESCRIPTION = """\
Check what a run needs: keys, endpoints, a model's answer, tool calls, JSON
schemas, sandbox, tokenizer, disk. Spends a few hundred tokens for each role.
With --local, also checks this machine; --local NAME starts that model and
times it. With --coder NAME, also runs a small task through that coder. With
--cluster, also works on every machine of the cluster for a moment.
"""


EPILOG = """\
The other options of models, model calls and the shell work here too: agentbatch
--help-all.
"""

SHOWN = (
    "coder_name",
    "coder_model",
    "coder_endpoint",
    "evaluation_model",
    "evaluation_base_url",
    "local",
    "judge",
    "sandbox",
    "image",
)


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "doctor",
        usage="agentbatch doctor [OPTION ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_setting_flags(parser, ("models", "calls", "shell"), value_optional=("local", "cluster"), shown=SHOWN)
    add_trust_flag(parser)
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    given = given_settings(args)
    machine = "local" in given
    if given.get("local") == "":
        del given["local"]
    if given.get("cluster") == "":
        given["cluster"] = "auto"
    loaded = load(given, os.environ, getattr(args, "env_file", None))
    check_trusted(Path.cwd(), loaded.settings)
    return asyncio.run(_run(loaded, machine, coder="coder_name" in given))


async def _run(loaded: LoadedSettings, machine: bool, *, coder: bool) -> int:
    from agentbatch.cli.setup.checks import checks  # heavy: the model client

    results: list[str] = []
    width = shutil.get_terminal_size().columns

    def tell(text: str) -> None:
        """A step of what takes long."""
        sys.stdout.write(f"      {clip(text, width - 6)}\n")
        sys.stdout.flush()

    tried = checks(loaded.settings, Path.cwd(), machine=machine, coder=coder, tell=tell)
    async for check in _all(loaded, tried):
        head = f"{check.result:<5} {check.name:<22} "
        lines = fold(harmless(check.detail), max(20, width - len(head)))
        sys.stdout.write(head + ("\n" + " " * len(head)).join(lines) + "\n")
        sys.stdout.flush()
        results.append(check.result)
    failed, warned = results.count("fail"), results.count("warn")
    sys.stdout.write(f"\n{failed} failed, {counted(warned, 'warning')}, {results.count('ok')} ok.\n")
    return 1 if failed else 0


async def _all(loaded: LoadedSettings, tried: AsyncIterator[Check]) -> AsyncIterator[Check]:
    """Where the settings come from, and then what was tried with them."""
    for check in origins(loaded):
        yield check
    async for check in tried:
        yield check
