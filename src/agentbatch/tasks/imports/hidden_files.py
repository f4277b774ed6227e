"""Files that only `hidden_verify` may see, carried in its commands: where it runs, nothing but the copy of the task's
directory is there, and what lies on the disk the coder might read."""

import base64
import gzip
import io
import shlex
import tarfile
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from agentbatch.tasks.imports.imported import CannotImport

MAX_COMMAND = 96_000
"""Bytes of a command: Linux takes 131,072 as one argument (MAX_ARG_STRLEN)."""
MAX_PACKED = 8 * 1024 * 1024
"""Bytes of a task's files, compressed: a hundred commands."""
PACKED = ".agentbatch-hidden.packed"


class HiddenFile(NamedTuple):
    content: bytes
    executable: bool = False


def unpack_commands(files: Mapping[str, HiddenFile], into: str = ".") -> tuple[str, ...]:
    """Shell commands that write the files, by their paths below the folder `into`, whatever is in their place.
    Raises CannotImport for too much."""
    packed = base64.b64encode(_packed(files)).decode()
    if len(packed) > MAX_PACKED:
        raise CannotImport(f"its hidden tests take more than {MAX_PACKED // 2**20} MB.")
    pieces = [packed[start : start + MAX_COMMAND] for start in range(0, len(packed), MAX_COMMAND)]
    carried = [f"printf %s {piece} >> {PACKED}" for piece in pieces]
    quoted = shlex.quote(into)
    unpack = f"mkdir -p {quoted} && base64 -d {PACKED} | tar -xzmof - -C {quoted} && rm {PACKED}"
    return (f"rm -rf {PACKED} && {carried[0]}", *carried[1:], unpack)


def _packed(files: Mapping[str, HiddenFile]) -> bytes:
    """The same bytes for the same files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, file in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(file.content), 0o755 if file.executable else 0o644
            archive.addfile(member, io.BytesIO(file.content))
    return gzip.compress(made.getvalue(), 6, mtime=0)


def in_batches(command: str, words: Mapping[str, None]) -> Iterator[str]:
    """`command` with the words behind it, in as many commands as it takes."""
    line = command
    for word in map(shlex.quote, words):
        if line != command and len(line) + len(word) > MAX_COMMAND:
            yield line
            line = command
        line += f" {word}"
    if line != command:
        yield line
