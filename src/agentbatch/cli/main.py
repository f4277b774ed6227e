"""The `agentbatch` command: which of its commands is meant, and the exit code.

What runs at every start imports no more than argparse: a command's module comes when the command is asked for.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from agentbatch import __version__
from agentbatch.cli.commands import COMMANDS, parse_command
from agentbatch.cli.complaints import complain
from agentbatch.cli.help import HELP
from agentbatch.errors import UserError
from agentbatch.runs.garbage import gc_paused
from agentbatch.text import nearest


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; `command` of the answer does it. Raises UserError."""
    if words and words[0] in COMMANDS:
        return parse_command(words[0], words[1:])
    with gc_paused():  # these bring the settings, and pydantic with them
        from agentbatch.cli.flags import check_flags, first_word
        from agentbatch.cli.tasks.run import run_parser

    check_flags(words, COMMANDS)
    place = first_word(words)
    if place is None:
        return run_parser().parse_args(words)
    word = words[place]
    if word in COMMANDS and "--" not in words[:place]:
        before = run_parser().parse_args(words[:place])  # they count where the command has them too
        del before.command
        return parse_command(word, words[place + 1 :], before)
    if not os.path.lexists(word) and os.sep not in word:
        from agentbatch.tasks.spec.task_document import SUFFIXES

        close = nearest(word, [*COMMANDS, "help"])
        listed = ", ".join(name for name, one in COMMANDS.items() if one.summary)
        hint = f"did you mean `agentbatch {close}`?" if close else f"the commands are {listed}."
        if word in ("run", "start"):
            hint = "tasks run without a command: agentbatch --parallel 3."
        elif word.endswith(SUFFIXES):
            hint = f"a task file is named with -t: agentbatch -t {word}."
        raise UserError(f"There is no command and no path {word!r}; {hint}")
    return run_parser(with_paths=True).parse_intermixed_args(words)


def _text_for(words: list[str]) -> str | None:
    """What is only to be printed; None: something is to be done."""
    if "--version" in words[:1]:
        return f"agentbatch {__version__}\n"
    return HELP if words[:1] in (["-h"], ["--help"]) or words in (["help"], ["help", "--help"]) else None


def _open_closed_streams() -> None:
    """A stream that was closed when we started (`>&-`) is None; everything below may write to one, or ask it."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 - open as long as we are
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # of signs that the locale does not have


def _let_go_of_streams() -> None:
    """What is still in their buffers and cannot be written goes nowhere: Python would try again at its end, and leave
    with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _do(words: list[str]) -> int:
    text = _text_for(words)
    if text is not None:
        sys.stdout.write(text)
        code: int = 0
    else:
        # `agentbatch help COMMAND` is `agentbatch COMMAND --help`.
        args = parse([*words[1:], "--help"] if words[:1] == ["help"] else words)
        args.words = words
        code = args.command(args)
    sys.stdout.flush()
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    _open_closed_streams()
    try:
        return _do(words)
    except SystemExit as end:  # argparse, after it has printed a help
        return end.code if isinstance(end.code, int) else 0
    except UserError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away (`agentbatch ... | head`): nobody is left to say anything to.
        return 1
    except OSError as error:
        # A full disk, a closed output: nothing of ours to trace.
        with suppress(OSError):
            complain(str(error))
        return 1
    finally:
        _let_go_of_streams()
