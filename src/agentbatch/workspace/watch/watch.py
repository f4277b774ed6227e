"""What a task that works in the user's own directory has made or changed there of what runs later: as the user, and
outside of any sandbox."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from agentbatch.files import PRIVATE, json_object, open_own, write_atomic
from agentbatch.text import list_names
from agentbatch.workspace.watch.changed_since import changed_elsewhere, changed_since
from agentbatch.workspace.watch.git_control import Control, control, digest, set_aside, told
from agentbatch.workspace.watch.privileges import take_privileges

RECORD = "git-control.json"
ASIDE = "git-control"
"""Names in the task's folder."""
MAX_PROGRAMS = 2_000
MAX_NAMED = 8


def begin_watch(root: Path, programs: Sequence[Path], folder: Path, *, resume: bool) -> None:
    """Write down what there is in `root` when the task begins; a task that resumes is held against its beginning.
    `programs`: folders in it whose programs others run. Raises OSError."""
    record = folder / RECORD
    if resume and record.is_file():
        return
    kept = {"git": dict(control(root)), "programs": _programs(root, programs)}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(record, json.dumps(kept) + "\n", mode=PRIVATE, follow=False)


def end_watch(root: Path, programs: Sequence[Path], folder: Path) -> list[str]:
    """What a person must know, a sentence each. Safe to repeat. Raises OSError."""
    try:
        with open(folder / RECORD, "rb", opener=open_own) as file:
            kept, begun = json_object(file.read()) or {}, os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return []
    notices = []
    changed = list(changed_since(root, begun))
    taken = take_privileges(root, changed)
    if taken:
        notices.append(
            f"The task left programs with the rights of their owner in {root}; these rights were taken from them: "
            f"{list_names(taken, MAX_NAMED, 120)}."
        )
    elsewhere = changed_elsewhere(changed)
    if elsewhere:
        notices.append(
            f"Files in {root} that lie elsewhere too (hard links, as uv and pnpm make to their stores) were changed "
            f"while the task worked, and with them what lies there: {list_names(elsewhere, MAX_NAMED, 120)}. "
            "Look at them before you run what uses them; --isolation copy keeps such files apart."
        )
    before = _kept(kept, "git")
    news = told(root, before, control(root))
    if news:
        aside = set_aside(root, news, folder / ASIDE)
        notices.append(
            f"The task has made or changed what git or another version control runs or obeys in {root}: "
            f"{list_names(news, MAX_NAMED, 120)}. Look at it before you use git there."
            + (f" Moved to {folder / ASIDE}: {list_names(aside, MAX_NAMED, 120)}." if aside else "")
        )
    old, now = _kept(kept, "programs"), _programs(root, programs)
    others = sorted(path for path in {*old, *now} if old.get(path) != now.get(path))
    if others:
        notices.append(
            f"The task has changed programs in {root} that your PATH or Python finds: "
            f"{list_names(others, MAX_NAMED, 120)}. Look at them before you run anything there."
        )
    return notices


def _kept(record: Mapping[str, object], name: str) -> Control:
    """A task without a sandbox can write there, too: what is not as we write it was not kept."""
    found = record.get(name)
    return found if isinstance(found, dict) and all(isinstance(one, str) for one in found.values()) else {}


def _programs(root: Path, folders: Sequence[Path]) -> Control:
    """Of a virtual environment its programs, and what its Python runs at every start."""
    paths: list[Path] = []
    for folder in folders:
        inner = folder / "bin" if (folder / "pyvenv.cfg").exists() else folder
        paths += [inner / name for name in sorted(_names(inner))]
        if inner != folder:
            paths += [folder / "pyvenv.cfg", *sorted(folder.glob("lib/python*/site-packages/*.pth"))]
            paths += sorted(folder.glob("lib/python*/site-packages/*customize.py"))
    return {path.relative_to(root).as_posix(): _program(root, path) for path in paths[:MAX_PROGRAMS]}


def _program(root: Path, path: Path) -> str:
    """Of a link to another place in the directory, what lies there too."""
    own = digest(path)
    if not path.is_symlink():
        return own
    target = os.path.realpath(path)
    return own + digest(Path(target)) if target.startswith(os.path.join(root, "")) else own


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
