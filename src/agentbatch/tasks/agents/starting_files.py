"""The files to start from: task.json and .env in a folder, and agents/ and prompts/ for who wants to change them.
Nothing that is there is overwritten."""

from pathlib import Path
from typing import Literal, NamedTuple

from agentbatch.errors import UserError
from agentbatch.tasks.agents.resources import PACKAGE, Kind, resource_folders
from agentbatch.tasks.spec.task_file import in_another_form

ADDED_TO = frozenset({"coders.toml"})
"""Files of which the user's own adds to ours: a copy would keep what is new in a later version from being used."""


class StartingFile(NamedTuple):
    """What became of one file."""

    done: Literal["kept", "created", "added"]
    what: str
    """Its path; for `added` also what was added to it."""


def place_starting_files(target: Path, *, prompts: bool = False) -> list[StartingFile]:
    """Put them into `target`. `prompts`: also agents/ and prompts/, which from then on win over those of newer
    versions. Raises UserError when they cannot be written."""
    checkout = PACKAGE.parent.parent
    single = {
        "task.json": (checkout / "task.json", PACKAGE / "defaults" / "task.json"),
        ".env": (checkout / ".env.example", PACKAGE / "defaults" / "env.example"),
    }
    sources = {name: next(p for p in places if p.is_file()) for name, places in single.items()}
    # The folder itself may hold agents/ already: the originals are those of the checkout or the wheel.
    kinds: tuple[Kind, ...] = ("agents", "prompts") if prompts else ()
    for kind in kinds:
        origin = next(f for f in resource_folders(kind, PACKAGE) if f.is_dir())
        sources |= {
            f"{kind}/{path.name}": path
            for path in sorted(origin.iterdir())
            if path.is_file() and path.name not in ADDED_TO
        }
    tasks = in_another_form(target / "task.json")
    if tasks and not (target / "task.json").exists():
        del sources["task.json"]  # it would be taken in place of that one
    try:
        placed = [StartingFile("kept", str(target / tasks))] if "task.json" not in sources else []
        placed += [_put(target / name, source.read_bytes()) for name, source in sources.items()]
        return placed + _ignore_env(target)
    except OSError as error:
        raise UserError(f"init: {error.filename or target}: {error.strerror or error}.") from None


def _put(path: Path, content: bytes) -> StartingFile:
    if path.exists() or path.is_symlink():
        return StartingFile("kept", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if path.name == ".env":
        path.chmod(0o600)
    return StartingFile("created", str(path))


def _ignore_env(target: Path) -> list[StartingFile]:
    """Keys must not be committed: .env goes into .gitignore."""
    ignore = target / ".gitignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    missing = [name for name in (".env", ".agentbatch/") if name not in lines]
    if not missing:
        return []
    ignore.write_text("\n".join([*lines, *missing]) + "\n", encoding="utf-8")
    return [StartingFile("added", f"{', '.join(missing)} to {ignore}")]
