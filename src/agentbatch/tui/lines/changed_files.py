"""The tree of changed files, and the lines of a diff, as lines of the screen. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from textual.content import Content

from agentbatch.text import counted, harmless, width
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import MAX_LINE, clipped, plain_lines
from agentbatch.workspace.files.diff.file_diff import SYMLINK, ChangeKind, FileChange

SIGNS: dict[ChangeKind, str] = {"added": "+", "changed": "~", "deleted": "-"}
"""Beside its word; ASCII, as in every diff."""

COLOURS: dict[ChangeKind, str] = {
    "added": "$text-success",
    "changed": "$text-warning",
    "deleted": "$text-error",
}

_NO_END = "\\ No newline at end of file"


class TreeRow(NamedTuple):
    """A folder, or a file in it."""

    text: str
    """A folder's path, or a file's name; not harmless."""
    depth: int = 0
    file: FileChange | None = None


class Tree(NamedTuple):
    rows: tuple[TreeRow, ...]
    places: dict[str, int]
    """The row of each file, by path."""
    widths: tuple[int, int, int]
    """Cells of the word, of the lines added, of the lines removed."""


def tree_of(files: Iterable[FileChange]) -> Tree:
    """Files by folder, each folder once with its whole path; those at the top stand first."""
    by_folder: dict[str, list[FileChange]] = {}
    for file in files:
        by_folder.setdefault(file.path.rpartition("/")[0], []).append(file)
    rows: list[TreeRow] = []
    places: dict[str, int] = {}
    for folder in sorted(by_folder):
        if folder:
            rows.append(TreeRow(f"{folder}/"))
        for file in by_folder[folder]:
            places[file.path] = len(rows)
            rows.append(TreeRow(file.path.rpartition("/")[2], 1 if folder else 0, file))
    words = [row.file for row in rows if row.file is not None]
    widths = (
        max((len(file.kind) for file in words), default=0),
        max((len(_count("+", file.added)) for file in words), default=0),
        max((len(_count("-", file.removed)) for file in words), default=0),
    )
    return Tree(tuple(rows), places, widths)


def tree_line(
    row: TreeRow, columns: int, widths: tuple[int, int, int], glyphs: Glyphs, *, chosen: bool = False
) -> Content:
    """One row of at most `columns` cells: a mark, a sign, a name, and at the right the word and the lines."""
    mark = f"{glyphs['closed']} " if chosen else "  "
    file = row.file
    if file is None:
        return Content.styled(mark + clipped(harmless(row.text), columns - 2, glyphs), "dim")
    word, added, removed = widths
    end = [
        (f"{file.kind:<{word}}", COLOURS[file.kind]),
        (f" {_count('+', file.added):>{added}}", "$text-success"),
        (f" {_count('-', file.removed):>{removed}}", "$text-error"),
    ]
    lead = f"{mark}{'  ' * row.depth}"
    cells = sum(len(text) for text, _ in end)
    room = max(8, columns - len(lead) - 2 - cells - 2)
    name = clipped(harmless(row.text) or "?", room, glyphs)
    gap = " " * max(1, columns - len(lead) - 2 - width(name) - cells - 1)
    return Content.assemble(
        lead,
        (f"{SIGNS[file.kind]} ", f"bold {COLOURS[file.kind]}"),
        (name, "bold" if chosen else ""),
        gap,
        *end,
    )


def _count(sign: str, lines: int | None) -> str:
    """Empty where there are none, or nobody counted."""
    return f"{sign}{lines:,}" if lines else ""


def summary_line(files: Sequence[FileChange], where: str, columns: int, glyphs: Glyphs) -> str:
    """`5 files: 2 added, 3 changed; +40 -3; in /path`, at most `columns` cells."""
    counts = [(kind, sum(file.kind == kind for file in files)) for kind in SIGNS]
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in counts if number)
    added, removed = sum(file.added or 0 for file in files), sum(file.removed or 0 for file in files)
    words = f"{counted(len(files), 'file')}: {kinds}; +{added:,} -{removed:,}"
    return clipped(f"{words}; {harmless(where)}" if where else words, columns, glyphs)


def title_line(file: FileChange, columns: int, glyphs: Glyphs) -> Content:
    """What stands above a diff."""
    counts = " ".join(filter(None, (_count("+", file.added), _count("-", file.removed))))
    end = f" {file.kind} {counts}".rstrip()
    name = clipped(harmless(file.path), max(8, columns - 2 - len(end)), glyphs)
    return Content.assemble((f"{SIGNS[file.kind]} ", f"bold {COLOURS[file.kind]}"), (name, "bold"), end)


def notes(file: FileChange) -> list[str]:
    """What there is to say of a file beside, or instead of, its lines."""
    if file.note:
        return [file.note]
    if file.before and file.after and file.before != file.after:
        if SYMLINK in (file.before, file.after):
            return ["was a symlink" if file.before == SYMLINK else "a symlink"]
        return [f"old mode {file.before}", f"new mode {file.after}"]
    mode = file.after or file.before
    if file.kind != "changed" and mode == SYMLINK:
        return ["a symlink"]
    return ["executable"] if file.kind == "added" and mode == "100755" else []


def diff_length(file: FileChange) -> int:
    return len(notes(file)) + len(file.lines)


def diff_columns(file: FileChange) -> int:
    """Cells that its longest line may take."""
    longest = max(
        ((len(line) + 3 * line.count("\t")) * (1 if line.isascii() else 2) for line in file.lines), default=0
    )
    return min(longest, 2 * MAX_LINE)


def diff_line(file: FileChange, place: int) -> Content:
    """One line below the title: what there is to say first, then its lines, signed and coloured."""
    said = notes(file)
    if place < len(said):
        return Content.styled(harmless(said[place]), "italic dim")
    line = file.lines[place - len(said)]
    sign, text = line[:1], " ".join(plain_lines(line[1:]))
    match sign:
        case "+":
            return Content.styled(f"+{text}", "$text-success on $success-muted 40%")
        case "-":
            return Content.styled(f"-{text}", "$text-error on $error-muted 40%")
        case "@":
            return Content.styled(f"@{text}", "$text-primary")
        case "\\":
            return Content.styled(_NO_END, "italic dim")
        case " " | "":
            return Content(f" {text}")
        case _:  # of a whole patch: what stands between its hunks
            return Content.styled(" ".join(plain_lines(line)), "bold")
