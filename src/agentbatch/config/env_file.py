"""Reading an env file, and what in it was surely not meant so: broken lines, names that are almost ours."""

import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from dotenv.parser import parse_stream

from agentbatch.errors import UserError
from agentbatch.text import clip, nearest

MAX_BYTES = 1_000_000
"""Bytes of an env file; more is another file."""

PRIVATE = ("AGENTBATCH_READY_FD", "AGENTBATCH_LIFELINE_FD", "AGENTBATCH_DAEMON_OUTPUT", "AGENTBATCH_COMMAND")
"""By which processes of ours speak to each other."""

ALIKE = 0.85
"""From here on a name is one of ours with a slip in it: OPENAI_APIKEY, CODER_KEY and OPENAI_API_BASE are, and
OPENAI_ORG_ID is not."""

OTHER_NAMES: Mapping[str, str] = {
    "OPENAI_API_BASE": "OPENAI_BASE_URL",
    "OPENAI_ENDPOINT": "OPENAI_BASE_URL",
    "OPENAI_API_URL": "OPENAI_BASE_URL",
    "OPENAI_KEY": "OPENAI_API_KEY",
    "OPENAI_TOKEN": "OPENAI_API_KEY",
    "CODER_KEY": "CODER_API_KEY",
    "CODER_URL": "CODER_BASE_URL",
    "CODER_API_BASE": "CODER_BASE_URL",
    "EVALUATION_KEY": "EVALUATION_API_KEY",
    "EVALUATION_ENDPOINT": "EVALUATION_BASE_URL",
    "EVALUATION_URL": "EVALUATION_BASE_URL",
    "EVALUATION_API_BASE": "EVALUATION_BASE_URL",
    "OPENAI_MODEL_NAME": "OPENAI_MODEL",
}
"""What other programs call them (openai-python before 1.0: OPENAI_API_BASE), or what one takes them to be called."""

OURS = ("AGENTBATCH_", "CODER_", "EVALUATION_", "EVALUATOR_")
"""How the names begin that nobody else has."""


class EnvFile(NamedTuple):
    path: Path
    """Of no file, where there is none."""
    values: Mapping[str, str] = {}
    broken: tuple[tuple[int, str], ...] = ()
    """Lines without a value, by their number from 1; only what stands before the first space or sign of it, since the
    rest may be a key."""


def find_env_file(path: Path | None, folder: Path) -> Path | None:
    """The file that is read: `path` when it is named, else `.env` in `folder`; None: there is none.

    Raises UserError for one that was named and is not there, and for what is no file.
    """
    chosen = folder / (path or ".env")
    if chosen.is_file():
        return chosen
    if chosen.is_dir():
        raise UserError(
            f"{chosen} is a folder, and should be a file with a line NAME=value for each setting."
        )
    if chosen.is_symlink() or chosen.exists():
        raise UserError(f"{chosen} is no file that can be read: a link that leads nowhere, or a pipe.")
    if path is not None:
        raise UserError(f"--env-file: there is no file {chosen}.")
    return None


def load_env_file(path: Path | None, folder: Path) -> EnvFile:
    """The env file, read. Raises UserError as `find_env_file`, and for one that cannot be read as text."""
    chosen = find_env_file(path, folder)
    if chosen is None:
        return EnvFile(folder / (path or ".env"))
    try:
        if chosen.stat().st_size > MAX_BYTES:
            raise UserError(f"{chosen} is larger than 1 MB: this cannot be an env file.")
        text = chosen.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{chosen} cannot be read as a UTF-8 env file: {error}.") from None
    values: dict[str, str] = {}
    broken: list[tuple[int, str]] = []
    for line in parse_stream(io.StringIO(text)):
        if line.error or (line.key is not None and line.value is None):
            whole = line.original.string
            number = line.original.line + whole[: len(whole) - len(whole.lstrip())].count("\n")
            broken.append((number, clip(_name(whole), 40)))
        elif line.key is not None and line.value is not None:
            values[line.key] = line.value
    return EnvFile(chosen, values, tuple(broken))


def _name(line: str) -> str:
    """The name that a broken line begins with, if that is one."""
    word = line.strip().removeprefix("export ").lstrip()
    length = next((n for n, sign in enumerate(word) if not (sign.isalnum() or sign == "_")), len(word))
    return word[:length]


class Doubt(NamedTuple):
    """Something that was surely meant otherwise. The sentence has no value in it: it may be a key."""

    sentence: str
    meant: str = ""
    """The variable of ours; empty: one cannot tell."""
    in_file: bool = True
    """Else in the environment, where it may be for somebody else."""


def doubts(file: EnvFile, environ: Iterable[str], known: Collection[str]) -> Iterator[Doubt]:
    """`environ`: the names in the environment, where much is that is not for us; `known`: our variables."""
    for number, name in file.broken:
        meant = name if name in known else _meant(name, known)
        lost = f", so {name} is not set" if name in known else ""
        yield Doubt(f"{file.path}: line {number} is not NAME=value{lost}.", meant)
    for name, value in file.values.items():
        if name in known and "${" in value:
            yield Doubt(f"{file.path}: {name} has ${{...}} in it, in whose place nothing is put.", name)
        meant = _meant(name, known)
        if meant and name not in known:
            yield Doubt(f"{file.path}: {clip(name, 60)} is not read; did you mean {meant}?", meant)
        elif name.startswith(OURS) and name not in known:
            yield Doubt(f"{file.path}: {clip(name, 60)} is no setting; docs/settings.md lists them.")
    for name in environ:
        if name in known or name.startswith(PRIVATE):
            continue
        meant = OTHER_NAMES.get(name, "") or (_meant(name, known) if name.startswith(OURS[0]) else "")
        if meant:
            yield Doubt(
                f"{clip(name, 60)} is set, and is not read; did you mean {meant}?", meant, in_file=False
            )


def _meant(name: str, known: Collection[str]) -> str:
    upper = name.upper()
    if upper in OTHER_NAMES or upper in known:
        return OTHER_NAMES.get(upper, upper)
    start = OURS[0] if upper.startswith(OURS[0]) else ""  # what all of them begin with makes none alike
    alike = [one.removeprefix(start) for one in known if one.startswith(start)]
    close = nearest(
        upper.removeprefix(start), alike, cutoff=0.6 if start else ALIKE
    )  # nobody else has that start
    return start + close if close else ""
