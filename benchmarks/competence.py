"""How many small tasks a small model solves in agentbatch, compared with the bare model and mini-swe-agent.

    python -m benchmarks.competence --model FILE.gguf [--only bare,agentbatch,unverified,attempts,mini] [--tasks 1,5,7]
        [--repetitions 3] [--without own ...] [--seed 1] [--out results.jsonl] [--keep DIR]
    python -m benchmarks.competence --model FILE.gguf --resume results.jsonl ...
    python -m benchmarks.competence --report results.jsonl ...
    python -m benchmarks.competence --check-tasks

Twelve small programming tasks (benchmarks/competence_tasks/), each one Python file to write, each with a user's
`verify` and with hidden tests. Hidden tests run after a contestant has ended, on a copy of its directory, in a
separate process with limits of time and memory; `solved` means that they pass. `verify` also runs there for every
contestant.

The contestants, on the same llama.cpp server, at the same temperature:

- bare: the prompt, and a request for one code block; the first block is the file. It does not get `verify`.
- agentbatch: the command itself, on a batch of one task with `verify`, the model in both roles; 15 coder steps
  per turn, 3 iterations, 240 s per task. Tasks with more than 15 steps over all turns are listed.
- unverified: the same without `verify`: whether `completed` is right, the hidden tests say afterwards.
- attempts: as unverified, three attempts, all to their end, and the best; `detail` has the hidden tests of each.
- mini: mini-swe-agent, from its own environment (`--mini-python`, `pip install mini-swe-agent`), with its text-based
  configuration, 15 steps and the same time. Like bare it does not get `verify`. Its commands run in our sandbox, if
  there is one.

`--without own` makes agentbatch and unverified do without a part of the evaluator: by their copy of
agents/evaluator.toml facts (checks that need no model), own (checks that its model writes), hands (what it runs
while it judges); by competence_without.py grounded (what a verdict must stand on) and single ones of the facts (sound,
example, tests). Several with commas are taken out together, `all` are the first four, and repeated options are
contestants of their own, e.g. `unverified-own`.

One task at a time. Every repetition gets a fresh server, which all contestants share, with the seed `--seed` and one
more for each further repetition (a seed makes the answers to two equal requests equal, which what asks twice must not
be measured with). A reply has at most 2,048 tokens. Tokens are those of the server's usage, without
calls that a time limit cut off. Seconds are wall clock, including the start of the program. How agentbatch's model
calls tools is probed once, before the first task, and counted nowhere.

`--out` gets a line of JSON for each task as soon as it has ended; `--resume` continues such a file: it does what is
not in it yet.
"""

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from agentbatch.errors import UserError
from agentbatch.model.capabilities import TOOL_MODES
from agentbatch.workspace.sandbox.sandbox import choose_sandbox
from benchmarks.competence_lines import read_lines
from benchmarks.competence_report import report
from benchmarks.competence_sitting import NAMES, Sitting, chosen_tasks
from benchmarks.competence_tasks import Checker, check_tasks


@contextlib.contextmanager
def kept_folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="competence-") as folder:
        yield Path(folder).resolve()


def stop(*_: object) -> NoReturn:
    """SIGTERM ends the process like Ctrl-C: through the `finally`s that end its children."""
    raise KeyboardInterrupt


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.competence",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, metavar="FILE.gguf", help="the weights")
    parser.add_argument("--only", default=",".join(NAMES), help="contestants, comma-separated [all]")
    parser.add_argument(
        "--without", action="append", metavar="PARTS", help="parts of the evaluator to leave out"
    )
    parser.add_argument("--tasks", help="numbers of tasks, comma-separated [all]")
    parser.add_argument("--repetitions", "--repeat", type=int, default=1, metavar="N", help="[1]")
    parser.add_argument("--seed", type=int, help="of the server's sampling [a random one]")
    parser.add_argument("--temperature", type=float, default=0.2, help="for every contestant [0.2]")
    parser.add_argument("--context", type=int, default=16384, help="tokens of the context window [16384]")
    parser.add_argument("--seconds", type=int, default=240, metavar="S", help="for each task, at most [240]")
    parser.add_argument("--tool-mode", default="", choices=TOOL_MODES, help="agentbatch's [probed, once]")
    parser.add_argument("--server-nice", type=int, default=0, metavar="N", help="priority of the server [0]")
    parser.add_argument("--mini-python", type=Path, metavar="PYTHON", help="python that has mini-swe-agent")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="FILE", help="append a JSON line per task here")
    where.add_argument(
        "--resume", type=Path, metavar="FILE", help="the same, but do only what is missing in it"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep directories and transcripts here")
    parser.add_argument(
        "--report", type=Path, nargs="+", metavar="FILE", help="only print the tables of these"
    )
    parser.add_argument("--check-tasks", action="store_true", help="only check the tasks by their programs")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    if options.report:
        print("\n".join(report(read_lines(options.report))))
        return 0
    if options.check_tasks:
        problems = check_tasks(chosen_tasks(options.tasks), Checker(choose_sandbox("auto")))
        print(
            "\n".join(problems) or "every solution passes its checks, no empty file and no wrong program does"
        )
        return 1 if problems else 0
    if options.model is None or not options.model.is_file():
        raise UserError(f"--model: there is no file {options.model}; name a model's weights (.gguf).")
    with kept_folder(options.keep) as base:
        lines = Sitting(options, base).measure()
    print()
    print("\n".join(report(lines)))
    return 0


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(run(parse(sys.argv[1:])))
    except UserError as error:
        print(f"competence: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
