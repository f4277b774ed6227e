"""What has to be done to a directory so that it holds what a manifest says. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from agentbatch.cluster.travel.manifest import UNSENT, Entry, Manifest, shown


@dataclass
class Plan:
    """Paths, each list in the order in which it is to be done."""

    remove: list[str] = field(default_factory=list)
    """What is in a folder before the folder."""
    folders: list[str] = field(default_factory=list)
    """To be made, a folder before what is in it."""
    write: list[str] = field(default_factory=list)
    """Files and links that come whole."""
    modes: list[str] = field(default_factory=list)
    """Files and folders that get their mode, what is in a folder before the folder."""
    problems: list[str] = field(default_factory=list)


def plan(
    here: Manifest,
    want: Mapping[str, Entry],
    since: Manifest | None = None,
    *,
    kept: Collection[str] = (),
    guarded: Collection[str] = (),
) -> Plan:
    """From `here` to `want` (checked). `since`: as for `Side.place`. `kept`: what neither leaves nor comes, and is not
    in `here`; `guarded`: what is not changed here; of both also all that is below."""
    done = Plan()
    unlisted = frozenset(
        path for listed in (here, want) for path, entry in listed.items() if _is_unlisted(entry)
    )
    for path in sorted(here, reverse=True):
        if path not in want:
            _leave(path, here[path], since, unlisted, kept, guarded, done)
        elif (
            here[path].kind != want[path].kind
            and not _untouched(path, want[path], since)
            and not _in(path, guarded)
        ):
            done.remove.append(path)
    for path, new in sorted(want.items(), key=itemgetter(0)):
        old = here.get(path)
        if old == new or _untouched(path, new, since):
            continue
        if why := _stays(path, kept, guarded):
            done.problems.append(f"{shown(path)} {why}.")
            continue
        if since is not None and old != since.get(path) and new.kind != "folder":
            done.problems.append(
                f"{shown(path)} was changed on this machine too: the task's version is there now."
            )
        _come(path, old, new, since, done)
    again = _missing_folders((*done.write, *done.folders), here)
    done.folders = sorted({*done.folders, *again})
    done.modes = sorted({*done.modes, *again}, reverse=True)
    return done


def around(paths: Iterable[str]) -> list[str]:
    """They, and all folders that they lie in, in order."""
    found: set[str] = set()
    for path in paths:
        while path and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return sorted(found)


def with_half(since: Manifest, half: Sequence[Manifest], here: Manifest) -> Manifest:
    """`since`, where transfers since then were interrupted that would have brought `half` here: what of them is here
    already came from the other end, and is not this end's own."""
    common = dict(since)
    for wanted in half:
        for path in (*wanted, *(path for path in since if path not in wanted)):
            now = here.get(path)
            if not _is_half(since.get(path), wanted.get(path), now):
                continue
            if now is not None:
                common[path] = now
            else:
                common.pop(path, None)
    return common


def _is_half(old: Entry | None, new: Entry | None, now: Entry | None) -> bool:
    """Whether a path is `now` what it is on the way from `old` to `new`, or at its end."""
    if old == new or now == new:
        return now == new
    if now is None:  # away, for something of another kind to come
        return old is not None and new is not None and old.kind != new.kind
    return new is not None and now.kind == new.kind == "folder"  # it gets its mode last


def _is_unlisted(entry: Entry) -> bool:
    return entry.kind == "folder" and entry.digest == UNSENT


def _untouched(path: str, new: Entry | None, since: Manifest | None) -> bool:
    """The other end has not changed it since both had it in common."""
    return since is not None and since.get(path) == new


def _leave(
    path: str,
    old: Entry,
    since: Manifest | None,
    unlisted: Collection[str],
    kept: Collection[str],
    guarded: Collection[str],
    done: Plan,
) -> None:
    """Of a path that is here alone."""
    if _in(path, unlisted) or _in(path, kept) or _untouched(path, None, since):
        return
    if _in(path, guarded):
        done.problems.append(
            f"{shown(path)} is read-only for tasks: it stays, though the task has removed it."
        )
    elif since is not None and since[path] != old and old.kind != "folder":
        done.problems.append(
            f"{shown(path)} was changed on this machine: it stays, though the task has removed it."
        )
    else:
        done.remove.append(path)


def _stays(path: str, kept: Collection[str], guarded: Collection[str]) -> str:
    if _in(path, kept):
        return "is kept from tasks: what a task has made of that name is not brought"
    return "is read-only for tasks: it stays as it was" if _in(path, guarded) else ""


def _come(path: str, old: Entry | None, new: Entry, since: Manifest | None, done: Plan) -> None:
    same_kind = old is not None and old.kind == new.kind
    if new.kind == "folder":
        if not same_kind:
            done.folders.append(path)
        done.modes.append(path)
        if new.digest == UNSENT and since is not None:
            done.problems.append(f"{shown(path)} cannot be brought: it could not be read there.")
    elif new.digest == UNSENT:
        if same_kind:
            done.modes.append(path)
        if not same_kind or since is not None:
            done.problems.append(
                f"{shown(path)} cannot be brought: it could not be read there, or is too large."
            )
    elif same_kind and old is not None and old.digest == new.digest:
        done.modes.append(path)
    else:
        done.write.append(path)


def _missing_folders(paths: Collection[str], here: Manifest) -> set[str]:
    """Around what comes: folders that were removed here alone."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found and not (folder in here and here[folder].kind == "folder"):
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _in(path: str, places: Collection[str]) -> bool:
    """At one of them, or below."""
    at = path.find("/") if places else -1
    while at >= 0:
        if path[:at] in places:
            return True
        at = path.find("/", at + 1)
    return path in places
