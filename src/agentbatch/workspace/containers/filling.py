"""What an image holds where a task's directory will be, brought into that while it is empty."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.workspace.containers.command_lines import MARK_LABEL
from agentbatch.workspace.containers.engine import Engine, last_words
from agentbatch.workspace.files.removal import remove_tree

BEGUN = "filling"
"""Lies in the task's folder until the directory is whole: a kill in between leaves it."""
_SYSTEM = "/usr/bin:/bin"
_NOT_THERE = ("could not be found", "could not find the file", "no such file")


def fill(engine: Engine, reference: str, workdir: str, root: Path, folder: Path, mark: str) -> bool:
    """Whether anything was brought. `folder`: the task's own; `mark`: of the run. Slow. Raises OSError, UserError."""
    begun = folder / BEGUN
    if not begun.exists() and any(os.scandir(root)):
        return False
    staged = folder / "from-image"
    remove_tree(staged)
    staged.mkdir(parents=True)
    begun.touch()
    _unpack(engine, reference, workdir, staged, mark)
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
    tar = shutil.which("tar", path=_SYSTEM) or "tar"
    options = (
        "--strip-components=1",
        "--no-same-owner",
        "--no-same-permissions",
        "-C",
        str(target),
        "-f",
        "-",
    )
    try:
        with subprocess.Popen(
            engine.command("cp", "--", f"{name}:{workdir}", "-"),
            env=dict(engine.env),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as source:
            done = subprocess.run(
                [tar, "-x", *options],
                stdin=source.stdout,
                env={"PATH": _SYSTEM, "LC_ALL": "C"},
                capture_output=True,
                check=False,
            )
            problem = source.stderr.read() if source.stderr is not None else b""
        if source.returncode != 0:
            if any(one in last_words(problem).lower() for one in _NOT_THERE):
                return
            raise UserError(f"What {reference} holds in {workdir} cannot be read: {last_words(problem)}")
        if done.returncode != 0:
            raise UserError(
                f"What {reference} holds in {workdir} cannot be unpacked: {last_words(done.stderr)}"
            )
    finally:
        engine.ask("rm", "--force", "--volumes", "--", name)
