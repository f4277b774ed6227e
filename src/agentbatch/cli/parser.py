"""argparse, with errors that are sentences below the usage line and name the nearest option."""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NoReturn

from agentbatch.errors import UserError
from agentbatch.text import nearest

WIDTH = 79
"""Columns of help and usage, so that no line wraps at 80."""


class CommandParser(argparse.ArgumentParser):
    """The parser of a command. Its mistakes are UserErrors; the usage line is on stderr by then."""

    intermixed = False
    """Options may stand between its arguments."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        settings["formatter_class"] = partial(settings["formatter_class"], width=WIDTH)
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)

    def error(self, message: str) -> NoReturn:
        """Raises UserError."""
        self.print_usage(sys.stderr)
        raise UserError(sentence(plain_words(message)))

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Raises UserError for words that no option or argument takes."""
        flag = next((word.partition("=")[0] for word in unknown if re.match("--?[^-]", word)), None)
        if flag is None:
            self.error(f"too many arguments: {' '.join(unknown)}")
        known = [name for action in self._actions for name in action.option_strings]
        self.error(unknown_option(flag, known, f"{self.prog} --help"))


_WORDS = (
    (r"expected one argument", "a value is missing"),
    (r"expected (\d+) arguments", r"\1 values are wanted"),
    (r"expected at least one argument", "a value is missing"),
    (r"ignored explicit argument (.*)", r"takes no value, and \1 was given"),
    (r"not allowed with argument (.*)", r"cannot be given together with \1"),
    (r"the following arguments are required: ([^,]*)$", r"\1 is missing"),
    (r"the following arguments are required: (.*)", r"\1 are missing"),
    (r"one of the arguments (.*) is required", r"give one of \1"),
)
"""argparse's ways to say it, and ours."""


def plain_words(message: str) -> str:
    """What argparse says is wrong, as the rest of us would."""
    message = re.sub(
        "^(name|action): ", "", message.removeprefix("argument ")
    )  # names of ours, not of the user's
    wrong = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL)
    if wrong is not None:
        known = re.findall(r"[\w-]+", wrong[2])
        close = nearest(wrong[1], known)
        hint = f"; did you mean {close}?" if close else ""
        rule = f"must be {' or '.join(filter(None, (', '.join(known[:-1]), known[-1])))}"
        return f"{message[: wrong.start()]}{rule}, not {wrong[1]!r:.60}{hint}"
    for pattern, plain in _WORDS:
        message = re.sub(pattern, plain, message)
    return message


def unknown_option(flag: str, known: Iterable[str], help_command: str) -> str:
    known = sorted(known)
    # Of `--model`: `--coder-model`.
    ends = (name for name in known if flag.startswith("--") and name.endswith(flag[1:]))
    close = nearest(flag, known, cutoff=0.85) or next(ends, None) or nearest(flag, known)
    return f"There is no option {flag}; {f'did you mean {close}?' if close else f'see `{help_command}`.'}"


def sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."
