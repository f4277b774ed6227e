"""Files of a directory that lie elsewhere, too, under another name: written in place, they change there as well. Tools
that install packages make such hard links to their stores (uv, pnpm), and so does a git that clones a folder."""

from collections.abc import Iterable

from agentbatch.workspace.files.changed_since import Changed


def changed_elsewhere(changed: Iterable[Changed]) -> list[str]:
    """The paths of those among all changed files of a directory, one of each file. One whose names all lie in it is
    none."""
    names: dict[tuple[int, int], int] = {}
    found: dict[tuple[int, int], tuple[str, int]] = {}
    for path, status in changed:
        if status.st_nlink > 1:
            file = (status.st_dev, status.st_ino)
            names[file] = names.get(file, 0) + 1
            found.setdefault(file, (path, status.st_nlink))
    return sorted(path for file, (path, links) in found.items() if links > names[file])
