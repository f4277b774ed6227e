"""`agentbatch models`: the models that run on this machine: list them, download one, remove one."""

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from agentbatch.cli.complaints import complain
from agentbatch.errors import UserError
from agentbatch.local.catalogue import CATALOGUE
from agentbatch.local.download import DownloadFailed, HubFile, pull
from agentbatch.local.gguf import read_header
from agentbatch.local.models_folder import downloaded_models, models_folder
from agentbatch.local.sizing import CONTEXT, gigabytes, memory_of, min_memory
from agentbatch.text import clip, duration, nearest, pad

EPILOG = """\
examples:
  agentbatch models
  agentbatch models pull qwen2.5-coder-7b
  agentbatch models pull OWNER/REPOSITORY/FILE.gguf
  agentbatch --local qwen2.5-coder-7b

Files go to $XDG_CACHE_HOME/agentbatch/models (~/.cache/agentbatch/models). The
hub is huggingface.co, or HF_ENDPOINT; HF_TOKEN is used where it is set.
"""

REDRAW_SECONDS = 0.25
STEP_PERCENT = 10
"""Where the output is no terminal, a line after each of these."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "models",
        description="List, download and remove models that run on this machine with --local.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "action", nargs="?", choices=("pull", "rm"), help="pull: download; rm: remove the file"
    )
    parser.add_argument(
        "model", nargs="?", metavar="NAME", help="a name of the list, or OWNER/REPOSITORY/FILE.gguf"
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="print the list as JSON")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    folder = models_folder(os.environ)
    if args.action is None:
        _list(folder, as_json=args.as_json)
        return 0
    if args.model is None:
        raise UserError(f"models {args.action}: name a model; `agentbatch models` lists some.")
    return _pull(args.model, folder) if args.action == "pull" else _remove(args.model, folder)


class _Row(NamedTuple):
    name: str
    file: str
    size: int
    memory: int | None
    licence: str
    good_for: str
    sha256: str
    repository: str
    present: bool


def _list(folder: Path, *, as_json: bool) -> None:
    rows = _rows(folder)
    if as_json:
        keys = {"size": "sizeBytes", "memory": "memoryBytes", "good_for": "goodFor"}
        records = [{keys.get(key, key): value for key, value in row._asdict().items()} for row in rows]
        sys.stdout.write(json.dumps({"folder": str(folder), "models": records}, indent=2) + "\n")
        return

    sys.stdout.write("\n".join(_table(rows)) + "\n")
    sys.stdout.write(
        f"\nGB. Memory: one task at a time, with {CONTEXT:,} tokens. ✓ is downloaded, in\n{folder}\n"
        "Download with `agentbatch models pull NAME`, run with `agentbatch --local NAME`.\n"
    )


def _rows(folder: Path) -> list[_Row]:
    """The catalogue, then other files that were downloaded."""
    here = downloaded_models(folder)
    rows = []
    for model in CATALOGUE:
        memory = memory_of(model.size, model.cache_bytes, model.vocabulary, 1, CONTEXT)
        rows.append(
            _Row(
                model.name,
                model.file,
                model.size,
                memory,
                model.licence,
                model.good_for,
                model.sha256,
                model.repository,
                model.file in here,
            )
        )
    for file, path in here.items():
        if file in {model.file for model in CATALOGUE}:
            continue
        try:
            memory = min_memory(read_header(path), 1, CONTEXT)
        except UserError:
            continue
        name = file.removesuffix(".gguf")
        rows.append(_Row(name, file, path.stat().st_size, memory, "", "", "", "", True))
    return rows


def _table(rows: Sequence[_Row]) -> list[str]:
    """At most 80 columns."""
    lines = [f"  {'name':<18}  {'size':>4}  {'memory':>6}  {'licence':<13}  {'sha256':<7}  good for"]
    for row in rows:
        sign = "✓" if row.present else " "
        memory = gigabytes(row.memory) if row.memory is not None else "–"
        name = pad(clip(row.name, 18), 18) if row.good_for else clip(row.name, 60)
        line = f"{sign} {name}  {gigabytes(row.size):>4}  {memory:>6}"
        lines.append(f"{line}  {row.licence:<13}  {row.sha256[:7]:<7}  {row.good_for}".rstrip())
    return lines


def _pull(given: str, folder: Path) -> int:
    file = _hub_file(given)
    line = _ProgressLine(sys.stderr, file.local_name)
    try:
        path = pull(file, folder, line.show)
    except DownloadFailed as error:
        line.end()
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        line.end()
        sys.stderr.write("Stopped. The same command continues from here.\n")
        return 130
    finally:
        line.end()
    named = given if "/" not in given else file.local_name.removesuffix(".gguf")
    command = f"agentbatch --local {shlex.quote(named)}"
    sys.stdout.write(f"{path} is complete; its sha256 is right.\nRun it with: {command}\n")
    return 0


def _hub_file(given: str) -> HubFile:
    """What to download. Raises UserError with the nearest known name."""
    for model in CATALOGUE:
        if model.name == given.lower():
            return HubFile(model.repository, model.file, model.sha256)
    if "/" in given:
        return HubFile.parse(given)
    close = nearest(given.lower(), (model.name for model in CATALOGUE))
    hint = (
        f"did you mean {close}?"
        if close
        else "`agentbatch models` lists them; OWNER/REPOSITORY/FILE.gguf works too."
    )
    raise UserError(f"models pull: there is no model {given!r} in the catalogue; {hint}")


def _remove(given: str, folder: Path) -> int:
    file = next(
        (model.file for model in CATALOGUE if model.name == given.lower()),
        f"{given.removesuffix('.gguf')}.gguf",
    )
    path = downloaded_models(folder).get(file)
    if path is None:
        raise UserError(f"models rm: {given} is not in {folder}.")
    path.unlink()
    sys.stdout.write(f"Removed {path}\n")
    return 0


class _ProgressLine:
    """One line that is redrawn on a terminal; elsewhere a line every ten percent."""

    def __init__(self, out: TextIO, name: str) -> None:
        self._out = out
        self._name = name
        self._terminal = out.isatty()
        self._drawn = 0.0
        self._open = False
        self._step = (-1, "")
        self._start: tuple[str, float, int] = ("", 0.0, 0)

    def show(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what != self._start[0]:
            self._start = (what, now, done)
        percent = 100 * done // max(1, total)
        if self._terminal:
            if now - self._drawn < REDRAW_SECONDS and done < total:
                return
            self._drawn, self._open = now, True
            self._out.write(f"\r{self._text(what, done, total, percent, now)}\x1b[K")
        else:
            step = (percent // STEP_PERCENT, what)
            if step == self._step:
                return
            self._step = step
            self._out.write(self._text(what, done, total, percent, now) + "\n")
        self._out.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            self._open = False
            self._out.write("\n")

    def _text(self, what: str, done: int, total: int, percent: int, now: float) -> str:

        _, started, before = self._start
        speed = (done - before) / (now - started) if now > started + 0.5 else 0.0
        rate = (
            f", {speed / 1e6:.1f} MB/s, {duration((total - done) / speed)} left"
            if speed and done < total
            else ""
        )
        return f"{what} {clip(self._name, 32)} {done / 1e6:,.0f} of {total / 1e6:,.0f} MB, {percent}%{rate}"
