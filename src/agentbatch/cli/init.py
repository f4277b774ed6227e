"""`agentbatch init`: the files to start from, into a folder. Nothing that is there is overwritten."""

import argparse
import sys
from pathlib import Path
from typing import Any

from agentbatch.errors import UserError


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "init",
        help="put task.json, .env, agents/ and prompts/ into a folder",
        description="Put task.json, .env, agents/ and prompts/ into a folder, to edit. "
        "Existing files are left as they are.",
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="where to [this folder]")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    from agentbatch.agent.resources import PACKAGE, resource_folders

    target: Path = args.folder
    checkout = PACKAGE.parent.parent
    single = {
        "task.json": (checkout / "task.json", PACKAGE / "defaults" / "task.json"),
        ".env": (checkout / ".env.example", PACKAGE / "defaults" / "env.example"),
    }
    sources = {name: next(p for p in places if p.is_file()) for name, places in single.items()}
    # The folder itself may hold agents/ already: the originals are those of the checkout or the wheel.
    for kind in ("agents", "prompts"):
        origin = next(f for f in resource_folders(kind, PACKAGE) if f.is_dir())
        sources |= {f"{kind}/{path.name}": path for path in sorted(origin.iterdir()) if path.is_file()}
    try:
        for name, source in sources.items():
            _put(target / name, source.read_bytes())
        _ignore_env(target)
    except OSError as error:
        raise UserError(f"init: {error.filename or target}: {error.strerror or error}.") from None
    sys.stdout.write(
        "\nNext: put your tasks into task.json and your key into .env, then `agentbatch doctor` "
        "and\n`agentbatch --parallel 3`. Without a key the sample tasks run on the rehearsal model.\n"
    )
    return 0


def _put(path: Path, content: bytes) -> None:
    if path.exists() or path.is_symlink():
        sys.stdout.write(f"  kept     {path}\n")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if path.name == ".env":
        path.chmod(0o600)
    sys.stdout.write(f"  created  {path}\n")


def _ignore_env(target: Path) -> None:
    """Keys must not be committed: .env goes into .gitignore."""
    ignore = target / ".gitignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    missing = [name for name in (".env", ".agentbatch/") if name not in lines]
    if missing:
        ignore.write_text("\n".join([*lines, *missing]) + "\n", encoding="utf-8")
        sys.stdout.write(f"  added    {', '.join(missing)} to {ignore}\n")
