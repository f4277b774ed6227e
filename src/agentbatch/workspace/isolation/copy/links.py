"""Where the symlinks of a directory lead. Pure: names and targets in, places out."""

from collections import deque
from collections.abc import Callable

MAX_FOLLOWED = 64
"""Links followed from one path; the systems give up at 40."""


def destination(path: str, target_of: Callable[[str], str | None]) -> str | None:
    """Where `path` (relative to the directory) ends when every link on its way is followed part by part, as a system
    does: `..` goes up from where a link has led. `target_of` gives the target of a relative path that is a link, None
    for any other. Absolute, or beginning with `..`: it ends outside. None: nowhere, in a circle of links."""
    parts, at, followed = deque(path.split("/")), list[str](), 0
    while parts:
        part = parts.popleft()
        if part in ("", "."):
            continue
        if part == "..":
            if not at:
                return "/".join(["..", *parts])
            at.pop()
            continue
        target = target_of("/".join([*at, part]))
        if target is None:
            at.append(part)
            continue
        followed += 1
        if followed > MAX_FOLLOWED:
            return None
        if target.startswith("/"):
            return "/".join([target, *parts])
        parts.extendleft(reversed(target.split("/")))
    return "/".join(at)


def is_outside(destination: str | None) -> bool:
    return destination is not None and (destination.startswith("/") or destination.split("/")[0] == "..")
