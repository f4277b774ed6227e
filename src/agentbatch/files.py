"""Whole-file documents: written beside, then put in place in one step, so that no reader sees half of one."""

import errno
import json
import math
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

from agentbatch.errors import UserError

STATE_FOLDER = ".agentbatch"
"""What agentbatch keeps in the folder where it runs: runs, caches, what the app remembers."""


def cache_folder(environ: Mapping[str, str]) -> Path:
    """`agentbatch` in the user's cache: what can be had again."""
    cache = Path(environ.get("XDG_CACHE_HOME", ""))  # the specification: relative paths are ignored
    return (
        cache if cache.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".cache"
    ) / "agentbatch"


def resolved(path: Path) -> Path:
    """The path with every link followed. Raises OSError, also for a loop of links: `realpath` leaves
    one in the path."""
    place = os.path.realpath(path)
    try:
        os.stat(place)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "a loop of symlinks", str(path)) from None
    return Path(place)


def real_folder(path: str) -> str:
    """The path of a folder as `realpath` has it; empty where there is none. Linux is asked where what was opened lies,
    which takes a tenth of walking there part by part."""
    if not hasattr(os, "O_PATH"):
        return os.path.realpath(path) if os.path.isdir(path) else ""
    try:
        handle = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.readlink(f"/proc/self/fd/{handle}")
    except OSError:  # a machine without /proc
        return os.path.realpath(path)
    finally:
        os.close(handle)


def write_atomic(path: Path, text: str | Iterable[str], *, mode: int = 0o666, follow: bool = True) -> None:
    """Write `text`, or its parts one after another, to `path` in one step; an existing file keeps its permissions.
    Raises OSError, and what the parts raise; then nothing has changed.
    `mode`: of a new file, less the umask. `follow`: a link stays one. Without it `path` was resolved before others
    could write there: a link that has come since is replaced where the file would be, and refused on the way to it."""
    place = resolved(path) if follow else path
    with open_folder(place.anchor, place.parent.parts[1:], make_missing) as folder:
        beside = f".{place.name[:40]}.{secrets.token_hex(8)}.tmp"
        try:
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
            with open(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.writelines([text] if isinstance(text, str) else text)
                with suppress(FileNotFoundError):
                    before = os.stat(place.name, dir_fd=folder, follow_symlinks=False).st_mode
                    if stat.S_ISREG(before):
                        os.fchmod(handle, before & 0o777)
            os.replace(beside, place.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(beside, dir_fd=folder)
            raise


PRIVATE = 0o600
"""Mode of the files of a run, which hold what was asked and answered."""


def open_own(path: str | Path, flags: int) -> int:
    """A handle of a file of ours, for its owner alone where it is made; an `opener` of `open`. Raises OSError, also for
    a link, a fifo or a device of that name: tasks may have put one there, and it is neither followed nor waited
    for."""
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


def read_given(path: Path, most: int) -> bytes:
    """What a file holds that the user gives: of at most `most` bytes, no folder, and no fifo or device that could be
    waited for without end; a pipe of the shell's (`<(...)`) is read. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = os.fstat(handle).st_mode
    if stat.S_ISFIFO(kind) and path.is_relative_to("/dev"):
        os.set_blocking(handle, True)
    elif not stat.S_ISREG(kind):
        os.close(handle)
        what = "a folder" if stat.S_ISDIR(kind) else "a fifo, socket or device"
        raise OSError(errno.EINVAL, f"it is {what}", str(path))
    with open(handle, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most // 2**20} MB", str(path))
    return data


FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""To open a folder that is only a step on a way, and is no link."""


@contextmanager
def open_folder(
    start: str | Path, names: Iterable[str], make: Callable[[int, str], None] | None = None
) -> Iterator[int]:
    """A handle of the folder that one comes to from `start` by `names`, however many: no link is followed. `make` gets
    the parent and name of each that cannot be opened, to make it. Raises OSError."""
    at = os.open(start, FOLDER)
    try:
        for name in names:
            try:
                inner = os.open(name, FOLDER, dir_fd=at)
            except OSError:
                if make is None:
                    raise
                make(at, name)
                inner = os.open(name, FOLDER, dir_fd=at)
            os.close(at)
            at = inner
        yield at
    finally:
        os.close(at)


def make_missing(at: int, name: str) -> None:
    """For `open_folder`: what is there stays, whatever it is."""
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=at)


def as_json(document: Any) -> str:
    """Indented JSON. pydantic's encoder is twenty times faster at it than the standard library's, but takes no lone
    surrogates."""
    try:
        return to_json(document, indent=2, inf_nan_mode="null").decode("utf-8")
    except PydanticSerializationError:
        return json.dumps(_finite(document), ensure_ascii=False, indent=2)


_LINE_ENDS = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"})
"""What some readers take for the end of a line, besides those that JSON escapes."""


def json_line(document: Any) -> str:
    """As one line of JSON that every parser takes, in real characters: null for what is no number, an escape for half a
    surrogate pair."""
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(document), ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else text.translate(_LINE_ENDS).encode("utf-8", "backslashreplace").decode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def parse_json(data: bytes) -> Any:
    """What a foreign JSON text holds. Raises ValueError."""
    try:
        return from_json(data)  # takes a third of json's time
    except ValueError:
        try:
            return json.loads(data)  # accepts half a surrogate pair
        except RecursionError:
            raise ValueError("nested too deeply") from None


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """The object that a JSON text holds, whoever wrote it; None for anything else."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


PIECE = 50
"""Bytes of memory that each value in a JSON text takes, at least: `[[],[],[]...` takes twenty times its length."""


def json_weight(text: bytes) -> int:
    """Bytes of memory that a JSON text takes once it is read, about."""
    return len(text) + PIECE * sum(text.count(sign) for sign in (b",", b"[", b"{"))


SMALL = 64 * 1024
"""Characters. Less is written at once: with a hundred tasks at work, the way to a thread and back through the event
loop's queue takes longer than the disk."""


async def write_document(path: Path, text: str, *, mode: int = 0o666, follow: bool = True) -> None:
    """`write_atomic`, a large one off the event loop."""
    if len(text) <= SMALL:
        write_atomic(path, text, mode=mode, follow=follow)
    else:
        from aiofiles.os import wrap  # brings asyncio, without which many commands do

        await wrap(write_atomic)(path, text, mode=mode, follow=follow)


def check_writable(path: Path, what: str = "results", flag: str = "--output") -> Path:
    """Find out before a run whether its `what` can be written; leaves nothing behind. `flag` names the file.
    Returns the path with every link followed.

    Raises UserError saying why not.
    """
    if path.name == "-":
        raise UserError(
            f"{flag} -: the {what} file is read again to resume, so it cannot be standard output; name one."
        )
    if path.is_dir():
        raise UserError(f"The {what} file {path} is a folder; name a file with {flag} FILE.")
    if path.exists() and not path.is_file():
        raise UserError(f"The {what} file {path} is a device or a pipe; name a file with {flag} FILE.")
    try:
        path = resolved(path)
        folder = next(parent for parent in path.parents if parent.exists())
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(13, "it is write-protected")
        with tempfile.NamedTemporaryFile(prefix=f".{path.name[:40]}.", dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"The {what} file {path} cannot be written: {error.strerror or error}. Name another with {flag}."
        ) from None
    return path
