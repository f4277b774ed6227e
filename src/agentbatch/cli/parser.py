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

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        settings["formatter_class"] = partial(settings["formatter_class"], width=WIDTH)
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)

    def error(self, message: str) -> NoReturn:
        """Raises UserError."""
        self.print_usage(sys.stderr)
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if wrong is not None:
            close = nearest(wrong[1], re.findall(r"[\w-]+", wrong[2]))
            message += f"; did you mean {close}?" if close else ""
        raise UserError(sentence(message.removeprefix("argument ")))

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Raises UserError for words that no option or argument takes."""
        flag = next((word.partition("=")[0] for word in unknown if re.match("--?[^-]", word)), None)
        if flag is None:
            self.error(f"too many arguments: {' '.join(unknown)}")
        known = [name for action in self._actions for name in action.option_strings]
        self.error(unknown_option(flag, known, f"{self.prog} --help"))


def unknown_option(flag: str, known: Iterable[str], help_command: str) -> str:
    close = nearest(flag, known)
    return f"There is no option {flag}; {f'did you mean {close}?' if close else f'see `{help_command}`.'}"


def sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."
