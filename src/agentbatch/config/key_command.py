"""A command that prints a key, for keys that expire: run without a shell, bounded, its output a secret."""

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.text import clip, harmless

TIMEOUT = 60.0
"""Seconds. Who has to ask a person for a password takes longer, and cannot be asked here."""

MAX_OUTPUT = 64 * 1024
"""Bytes. Tokens have up to 8 KB."""


LOOK_EVERY = 0.02
"""Seconds between two looks whether it has ended."""


class KeyCommand:
    """Made before the run: the program is looked up once, and nothing of it may lie where tasks work, since a task's
    coder could have written it."""

    def __init__(
        self,
        command: str,
        name: str,
        *,
        folder: Path,
        environ: Mapping[str, str],
        on_key: Callable[[str], None] = lambda key: None,
        timeout: float = TIMEOUT,
    ) -> None:
        """`name`: the setting, for messages; `folder`: where the run was started; `on_key` gets every key before it is
        used. Raises UserError for a command that cannot be run."""
        self._name = name
        self._environ = dict(environ)
        self._on_key = on_key
        self._timeout = timeout
        self._words = _checked(_words(command, name), name, folder, environ)

    async def __call__(self) -> str:
        """The key. Raises UserError when the command gave none; the text has nothing of what it printed as a key."""
        process = await asyncio.create_subprocess_exec(
            *self._words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._environ.get("HOME") or "/",  # not the folder: programs import what lies beside them
            env=self._environ,
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        reading = asyncio.gather(_read(process.stdout), _read(process.stderr))
        try:
            async with asyncio.timeout(self._timeout):
                while process.returncode is None:  # noqa: ASYNC110 (`wait` would wait for all that holds the pipes)
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            raise UserError(f"{self._name}: no key within {self._timeout:g} s.") from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(
                    process.pid, signal.SIGKILL
                )  # with all that it left behind, which may hold the pipes open
            await process.wait()
            out, problem = await reading
        key = out.decode("utf-8", "replace").strip()
        if process.returncode != 0:
            last = problem.decode("utf-8", "replace").strip().rpartition("\n")[2]
            said = f": {clip(harmless(last), 160)}" if last and not (key and key in last) else ""
            raise UserError(f"{self._name}: the command ended with exit code {process.returncode}{said}.")
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            what = "nothing" if not key else "more than one word of plain ASCII characters"
            raise UserError(f"{self._name}: the command has to print the key alone, and printed {what}.")
        self._on_key(key)
        return key


def _words(command: str, name: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(
            f"{name}: {error} (the command is split as a shell would, and run without one)."
        ) from None
    if not words:
        raise UserError(f"{name}: there is no command.")
    shell_signs = [word for word in words if word in ("|", "||", "&&", ";", "&", ">", "<")]
    if shell_signs:
        raise UserError(
            f"{name}: {shell_signs[0]!r} is a shell's, and the command runs without one: put it into a script, or "
            "write sh -c '...'."
        )
    return words


def _checked(words: list[str], name: str, folder: Path, environ: Mapping[str, str]) -> list[str]:
    """The words with the program's whole path. Raises UserError."""
    program = words[0] if "/" in words[0] else shutil.which(words[0], path=environ.get("PATH"))
    if program is None or not os.access(program, os.X_OK) or os.path.isdir(program):
        raise UserError(f"{name}: there is no program {clip(words[0], 80)}.")
    whole = [os.path.abspath(program), *words[1:]]
    # Of sh -c '...': what has a name like a path.
    inner = [part for word in words[1:] for part in re.split(r"[\s;|&<>()'\"`]+", word) if "/" in part]
    for named in (part for word in (*whole, *inner) for part in (word, word.partition("=")[2]) if part):
        if _lies_in(named, folder):
            raise UserError(
                f"{name}: {clip(named, 120)} lies in {folder}, where a task could change it; keep it elsewhere."
            )
    return whole


def _lies_in(word: str, folder: Path) -> bool:
    """Whether the word is a file below the folder, as it is named or as what it leads to."""
    path = Path(os.path.abspath(folder / Path(word).expanduser()))
    if not path.is_file():
        return False
    house = folder.resolve()
    return path.is_relative_to(os.path.abspath(folder)) or path.resolve().is_relative_to(house)


async def _read(stream: asyncio.StreamReader) -> bytes:
    """At most MAX_OUTPUT of it; the rest is read and forgotten."""
    kept = b""
    while chunk := await stream.read(16 * 1024):
        kept = (kept + chunk)[:MAX_OUTPUT]
    return kept
