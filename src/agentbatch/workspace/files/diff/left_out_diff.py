"""What changed in the folders that snapshots leave out. Pure."""

from collections.abc import Iterable

from agentbatch.workspace.files.snapshot.left_out import BYTECODE, PACKAGES
from agentbatch.workspace.workspace import Snapshot

MAX_NAMED = 12


def changed_left_out(before: Snapshot, after: Snapshot) -> list[str]:
    """Files, folders with `/` at the end, MAX_NAMED at most and then how many more; compiled Python is left out. A
    folder of packages that was not there before is one entry."""
    new = {_top(path) for path in after.left_out} - {_top(path) for path in before.left_out}
    named = set()
    for path in _changed(before, after):
        top = _top(path)
        if BYTECODE not in path.split("/"):
            named.add(f"{top}/" if top in new and top.split("/")[-1] in PACKAGES else path)
    # Files that were told by themselves say more than folders.
    names = sorted(named, key=lambda path: (path.endswith("/"), path))
    more = len(names) - MAX_NAMED
    return [*names[:MAX_NAMED], *([f"{more:,} more in folders of packages"] if more > 0 else [])]


def changed_by_checks(before: Snapshot, seen: Snapshot, after: Snapshot) -> list[str]:
    """The same of what changed between `seen` and `after` while checks ran, in short: a check that installs packages
    where there were none `before` is no news, and one that changes those that there were is one entry."""
    old = {_top(path) for path in before.left_out}
    named = set()
    for path in _changed(seen, after):
        top = _top(path)
        packages = top.split("/")[-1] in PACKAGES
        if BYTECODE not in path.split("/") and (top in old or not packages):
            named.add(f"{top}/" if packages else path)
    return sorted(named)[:MAX_NAMED]


def changed_bytecode(before: Snapshot, after: Snapshot) -> list[str]:
    """Folders of compiled Python among installed packages that are not as they were."""
    return [
        path.removesuffix("/")
        for path in _changed(before, after)
        if path.endswith(f"/{BYTECODE}/")
        and not PACKAGES.isdisjoint(path.split("/"))
        and path in after.left_out
    ]


def has_bytecode(snapshot: Snapshot) -> bool:
    """There may be compiled Python outside of installed packages."""
    return (
        not snapshot.left_out_whole
        or any(
            path.endswith(f"{BYTECODE}/") and PACKAGES.isdisjoint(path.split("/"))
            for path in snapshot.left_out
        )
        or any(path == BYTECODE or path.endswith(f"/{BYTECODE}") for path in snapshot.files)
    )


def _changed(before: Snapshot, after: Snapshot) -> Iterable[str]:
    """Where one side was not looked at to its end, what only one side has says nothing."""
    old, new = before.left_out, after.left_out
    whole = before.left_out_whole and after.left_out_whole
    for path in sorted({**old, **new}):
        if old.get(path) != new.get(path) and (whole or (path in old and path in new)):
            yield path


def _top(path: str) -> str:
    """Up to the first folder that is left out; of others, the folder it is in."""
    parts = path.split("/")
    for place, part in enumerate(parts):
        if part in PACKAGES:
            return "/".join(parts[: place + 1])
    return "/".join(parts[:-1])
