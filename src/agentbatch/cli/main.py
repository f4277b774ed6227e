"""The `agentbatch` command: parsing, and the exit code. Each command is a module of its own."""

import argparse
import difflib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from agentbatch import __version__
from agentbatch.cli.requests import bench, cache, requests
from agentbatch.cli.runs import attach, control, logs, prune, runs, status
from agentbatch.cli.setup import dashboard, doctor, init, models
from agentbatch.cli.tasks import cost, results, resume, run
from agentbatch.errors import UserError

COMMANDS = {
    "resume": resume,
    "status": status,
    "logs": logs,
    "runs": runs,
    "results": results,
    "requests": requests,
    "cache": cache,
    "bench": bench,
    "prune": prune,
    "attach": attach,
    "watch": attach,
    "dashboard": dashboard,
    **dict.fromkeys(control.NAMES, control),
    "cost": cost,
    "doctor": doctor,
    "init": init,
    "models": models,
}

DESCRIPTION = """\
Run batches of coding tasks unattended. For every task in task.json a Coder
works in the task's own directory with file and shell tools; an Evaluator judges
the state of that directory and accepts it or writes the next prompt.

  agentbatch                    the terminal app: choose, start, watch, steer
  agentbatch --parallel 3       three tasks at a time
  agentbatch --serial           one after another
  agentbatch --test             the first three tasks only
  agentbatch --dry-run          the plan and the least it will cost
  agentbatch src/api            only tasks that lie in there
  agentbatch resume             go on with what was interrupted
"""

EPILOG = """\
Every setting can also come from the environment or from .env, under the name in
parentheses; flags win over the environment, which wins over .env. Keys have no
flag: set CODER_API_KEY and EVALUATION_API_KEY, or OPENAI_API_KEY for both.

exit codes: 0 all tasks completed; 1 some did not; 2 usage or configuration;
130 interrupted. `agentbatch COMMAND --help` tells more of a command.
"""


def build_parser(*, with_paths: bool = False) -> argparse.ArgumentParser:
    """The parser of everything, or, `with_paths`, that of a run whose words are paths and no command."""
    parser = argparse.ArgumentParser(
        prog="agentbatch",
        usage="agentbatch [--serial | --parallel [N] | --test] [OPTION ...] [PATH ...]\n"
        "       agentbatch COMMAND [OPTION ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"agentbatch {__version__}")
    run.add_flags(parser)
    parser.set_defaults(command=run.run)
    if with_paths:
        parser.add_argument("paths", nargs="*", metavar="PATH")
        return parser
    subparsers = parser.add_subparsers(title="other commands", metavar="COMMAND", prog="agentbatch")
    for module in dict.fromkeys(COMMANDS.values()):
        module.add_parser(subparsers)
    return parser


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line. Raises UserError for a first word that is neither a command nor a path."""
    word = run.first_word(words)
    if word is None or word in COMMANDS:
        return build_parser().parse_args(words)
    if not os.path.lexists(word) and os.sep not in word:
        close = difflib.get_close_matches(word, COMMANDS, n=1)
        hint = f"did you mean `agentbatch {close[0]}`?" if close else f"The commands: {', '.join(COMMANDS)}."
        raise UserError(f"There is no command and no path {word!r}; {hint}")
    return build_parser(with_paths=True).parse_intermixed_args(words)


def _open_closed_streams() -> None:
    """A stream that was closed when we started (`>&-`) is None; everything below may write to one, or ask it."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 - open as long as we are
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _let_go_of_streams() -> None:
    """What is still in their buffers and cannot be written goes nowhere: Python would try again at its end, and leave
    with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    _open_closed_streams()
    try:
        run.check_flags(words, COMMANDS)
        args = parse(words)
        args.words = words
        code: int = args.command(args)
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"agentbatch: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away (`agentbatch ... | head`): nothing is left to say to anybody.
        return 1
    except OSError as error:
        # A full disk, a closed output: nothing of ours to trace.
        with suppress(OSError):
            print(f"agentbatch: {error}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        _let_go_of_streams()
