"""A command that prints a key, for keys that expire: run without a shell, bounded, its output a secret."""

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from agentbatch.config.own_environment import own_environment
from agentbatch.errors import UserError
from agentbatch.files import open_own
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
        grounds: Iterable[Path] = (),
        on_key: Callable[[str], None] = lambda key: None,
        timeout: float = TIMEOUT,
    ) -> None:
        """`name`: the setting, for messages; `folder`: where the run was started; `grounds`: where else its tasks work
        (resolved); `on_key` gets every key before it is used. Raises UserError for a command that cannot be run."""
        self._name = name
        self._on_key = on_key
        self._timeout = timeout
        ground = _Ground(folder, environ.get("HOME") or "/", {folder.resolve(), folder.absolute(), *grounds})
        self._environ = own_environment(environ, ground.places)
        self._cwd = ground.cwd
        self._words = _checked(_words(command, name), name, ground, environ)

    async def __call__(self) -> str:
        """The key. Raises UserError when the command gave none; the text has nothing of what it printed as a key."""
        process = await asyncio.create_subprocess_exec(
            *self._words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._cwd,
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


class _Ground:
    """Where tasks work, and what could lie there by the time the command runs."""

    def __init__(self, folder: Path, home: str, places: set[Path]) -> None:
        self.places = places
        self._folder = folder
        # Not the folder, nor another of them: programs import what lies beside them.
        self.cwd = "/" if self._holds(Path(home)) else home

    def of(self, word: str) -> Path | None:
        """The ground that a word of the command leads to, as it is named or by links; None: none. A whole path does so
        whether it is there or not; any other word where it is, in the run's folder or where the command runs."""
        path = Path(word).expanduser()
        if path.is_absolute():
            return self._holds(path)
        named = (Path(base, path) for base in (self._folder, self.cwd))
        there = (place for place in named if place.is_file() or ("/" in word and place.exists()))
        return next((ground for place in there if (ground := self._holds(place))), None)

    def _holds(self, path: Path) -> Path | None:
        whole = Path(os.path.abspath(path))
        ways = (whole, whole.resolve())
        return next((way for one in ways for way in (one, *one.parents) if way in self.places), None)


def _checked(words: list[str], name: str, ground: _Ground, environ: Mapping[str, str]) -> list[str]:
    """The words with the program's whole path. Raises UserError."""
    program = words[0] if "/" in words[0] else shutil.which(words[0], path=environ.get("PATH"))
    if program is None or not os.access(program, os.X_OK) or os.path.isdir(program):
        raise UserError(f"{name}: there is no program {clip(words[0], 80)}.")
    whole = [os.path.abspath(program), *words[1:]]
    # Of sh -c '...', and of what runs a script: what has a name like a path.
    told = (*words[1:], *map(_first_line, whole))
    inner = [part for word in told for part in re.split(r"[\s;|&<>()'\"`]+", word) if "/" in part]
    for named in (part for word in (*whole, *inner) for part in (word, word.partition("=")[2]) if part):
        if place := ground.of(named):
            raise UserError(
                f"{name}: {clip(named, 120)} lies in {place}, where a task could change it; keep it elsewhere."
            )
    return whole


def _first_line(word: str) -> str:
    """Of a script the line that names its interpreter."""
    try:
        with open(word, "rb", opener=open_own) as file:
            line = file.readline(1_000)
    except (OSError, ValueError):
        return ""
    return os.fsdecode(line[2:]) if line.startswith(b"#!") else ""


async def _read(stream: asyncio.StreamReader) -> bytes:
    """At most MAX_OUTPUT of it; the rest is read and forgotten."""
    kept = b""
    while chunk := await stream.read(16 * 1024):
        kept = (kept + chunk)[:MAX_OUTPUT]
    return kept
