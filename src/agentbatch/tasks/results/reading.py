"""Reading a results file: ours, or one of the original runner."""

import json
from pathlib import Path

from agentbatch.documents.json_text import mistake
from agentbatch.errors import UserError, cannot_be
from agentbatch.runs.garbage import gc_paused
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.results.to_state import state_of
from agentbatch.text import clip

MAX_RESULTS_FILE = 256 * 1024 * 1024
"""Bytes: ten thousand tasks with ten verdicts each. A file beyond it would take gigabytes of memory."""


class NoResults(UserError):
    """Valid JSON, but not a results file."""


def read_results_file(path: Path) -> RunState:
    """The run that the file describes. Raises UserError: what is wrong and where; NoResults for other JSON."""
    with gc_paused():
        return _parsed(path, _read(path))


def _parsed(path: Path, text: str) -> RunState:
    try:
        document = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UserError(f"{_shown(path)}: not valid JSON at {where}: {mistake(error)}.") from None
    except RecursionError:
        raise UserError(f"{_shown(path)}: nested too deeply to be a results file.") from None
    except ValueError as error:  # numbers of thousands of digits, NaN
        raise UserError(f"{_shown(path)}: not a results file: {clip(str(error), 100)}.") from None
    missing = [key for key in ("summary", "results") if not isinstance(document, dict) or key not in document]
    if missing:
        names = " and no ".join(f"`{key}`" for key in missing)
        raise NoResults(f"{_shown(path)} is not a results file: it has no {names}.")
    try:
        return state_of(document)
    except UserError as error:
        raise UserError(f"{_shown(path)}: this results file cannot be shown: {error}") from None


def _read(path: Path) -> str:
    try:
        if path.is_dir():
            raise UserError(f"{_shown(path)} is a folder, not a results file.")
        if path.exists() and not path.is_file():
            raise UserError(f"{_shown(path)} is a device or a pipe, not a results file.")
        with open(path, "rb") as file:
            content = file.read(MAX_RESULTS_FILE + 1)
        if len(content) > MAX_RESULTS_FILE:
            raise UserError(
                f"{_shown(path)} is larger than {MAX_RESULTS_FILE >> 20} MB: too large for a results file."
            )
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"There is no results file {_shown(path)}.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{_shown(path)} is not UTF-8 text (byte {error.start}).") from None
    except (OSError, ValueError) as error:
        raise cannot_be("read", _shown(path), error) from None
    if not text.strip():
        raise UserError(f"{_shown(path)} is empty.")
    return text


def _shown(path: Path) -> str:
    return clip(str(path), 300)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
