"""What an image holds where a task's directory will be, brought into that while it is empty."""

import os
import secrets
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER
from agentbatch.workspace.containers.command_lines import MARK_LABEL
from agentbatch.workspace.containers.engine import Engine, last_words
from agentbatch.workspace.files.removal import remove_tree

BEGUN = "filling"
"""Lies in the task's folder until the directory is whole: a kill in between leaves it."""
MAX_BYTES = 16 * 1024 * 1024 * 1024
"""That are brought: a file with holes in an image takes no room there, and may be said to be of any size."""
BLOCK = 1024 * 1024
_SYSTEM = "/usr/bin:/bin"
_NOT_THERE = ("could not be found", "could not find the file", "no such file")


def fill(
    engine: Engine,
    reference: str,
    workdir: str,
    root: Path,
    folder: Path,
    mark: str,
    begin: Callable[[Path], None] = lambda _: None,
) -> bool:
    """Whether anything was brought. `folder`: the task's own; `mark`: of the run; `begin` is told an empty folder
    before. Files, links and folders come, and no state folder of ours. Slow. Raises OSError, UserError."""
    begun = folder / BEGUN
    if not begun.exists() and any(os.scandir(root)):
        return False
    staged = folder / "from-image"
    remove_tree(staged)
    staged.mkdir(parents=True, mode=0o700)  # nobody else reaches what is there before it was looked at
    begin(staged)
    begun.touch()
    _unpack(engine, reference, workdir, staged, mark)
    remove_tree(staged / STATE_FOLDER)
    _remove_special(staged)
    names = sorted(os.listdir(staged))
    for name in names:
        remove_tree(root / name)
        shutil.move(staged / name, root / name)
    staged.rmdir()
    begun.unlink()
    return bool(names)


def _unpack(engine: Engine, reference: str, workdir: str, target: Path, mark: str) -> None:
    """By `tar`, which makes no link before all files are there and lets nothing out of `target`; what it makes is ours,
    without rights that a program would give to who runs it."""
    name = f"agentbatch-{secrets.token_hex(12)}"
    made = engine.ask(
        *(
            "create",
            "--pull",
            "never",
            "--label",
            f"{MARK_LABEL}={mark}",
            "--name",
            name,
            "--entrypoint",
            "true",
        ),
        *("--", reference),
    )
    if made.exit_code != 0:
        raise UserError(f"What {reference} holds in {workdir} cannot be read: {made.problem}")
    try:
        _copy(engine, f"{name}:{workdir}", target, f"What {reference} holds in {workdir} cannot be")
    finally:
        engine.ask("rm", "--force", "--volumes", "--", name)


def _copy(engine: Engine, source: str, target: Path, what: str) -> None:
    options = (
        "--strip-components=1",
        "--no-same-owner",
        "--no-same-permissions",
        "-C",
        str(target),
        "-f",
        "-",
    )
    tar = [shutil.which("tar", path=_SYSTEM) or "tar", "-x", *options]
    with TemporaryFile() as said, TemporaryFile() as complained:
        from_image = subprocess.Popen(
            engine.command("cp", "--", source, "-"),
            env=dict(engine.env),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        with from_image:
            to_disk = subprocess.Popen(
                tar, env={"PATH": _SYSTEM, "LC_ALL": "C"}, stdin=subprocess.PIPE, stderr=complained
            )
            with to_disk:
                is_whole = _pass_on(from_image, to_disk)
        if not is_whole:
            raise UserError(f"{what} brought: it is more than {MAX_BYTES / 2**30:g} GiB.")
        problem = _words(said)
        if from_image.returncode != 0 and any(one in problem.lower() for one in _NOT_THERE):
            return
        if to_disk.returncode != 0:
            raise UserError(f"{what} unpacked: {_words(complained)}")
        if from_image.returncode != 0:
            raise UserError(f"{what} read: {problem}")


def _pass_on(source: "subprocess.Popen[bytes]", target: "subprocess.Popen[bytes]") -> bool:
    """False: it was too much, and both have been ended."""
    assert source.stdout is not None
    assert target.stdin is not None
    left = MAX_BYTES
    try:
        while block := source.stdout.read(BLOCK):
            left -= len(block)
            if left < 0:
                source.kill()
                target.kill()
                return False
            target.stdin.write(block)
        target.stdin.close()
    except BrokenPipeError:  # it says itself what is wrong
        source.kill()
    return True


def _words(file: IO[bytes]) -> str:
    file.seek(0)
    return last_words(file.read(BLOCK))


def _remove_special(folder: Path) -> None:
    """Devices of this machine, as an image can hold them, and what else is neither file, link nor folder."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            kind = os.lstat(path).st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind)):
                os.unlink(path)
