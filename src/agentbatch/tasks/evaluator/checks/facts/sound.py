"""Whether the files that a task has added or changed are sound in their own form."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic
from typing import Any, NamedTuple
from zlib import compress

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.check import MAX_TASK, CheckResult, CheckRunner, Work
from agentbatch.tasks.evaluator.checks.facts.forms import Form, conflict_line, empty_files, form_of
from agentbatch.tasks.evaluator.evaluator import Start
from agentbatch.tasks.evaluator.programs.program import command, length, room
from agentbatch.text import counted, list_names
from agentbatch.workspace.files.diff.file_diff import quoted
from agentbatch.workspace.workspace import Snapshot

NAME = "the form of the changed files"
MAX_FILES = 400
"""Files that are looked at in one round; more are no work of one task."""
ALONE = 5.0
"""Seconds for one file, where all together could not be read."""
UNREAD = "unread"
"""In place of an answer: there is none, or the file is of a kind that is not read."""
_ANSWER = regex(r"(sound|unknown|unread)|wrong (\d{1,9}) ((?:[0-9a-f]{2})*)", re.ASCII)
MAX_TOLD = 8
"""Unsound files, and sound ones, that are named."""


class UnsoundFile(NamedTuple):
    path: str
    line: int
    """0: unknown, or the file as a whole."""
    wrong: str
    form: str = ""

    @property
    def sentence(self) -> str:
        place = f"{quoted(self.path)}, line {self.line}" if self.line else quoted(self.path)
        return f"{place}: {self.wrong}" + (f" (not valid {self.form})" if self.form else "")


Looked = list[tuple[str, Form]]
"""Files and their forms."""


class SoundFiles:
    """Every file that was added or changed, as its ending has it; files that may be broken on purpose, or were broken
    before in the same way, are left alone, and so is all that nothing in the workspace can tell."""

    runs_work = False

    def __init__(self, task: str, timeout: float) -> None:
        """`task`: its text; `timeout`: seconds for one command."""
        self._task = task[:MAX_TASK]
        self._timeout = timeout

    async def prepare(self, start: Start, runner: CheckRunner) -> Mapping[str, Any]:
        return {}

    async def run(self, work: Work) -> Sequence[CheckResult]:
        begun = monotonic()
        changed = (*work.changes.modified, *work.changes.added)
        unsound = list(told_by_text(work.before, work.after, self._task))
        wanted = [
            (path, form) for path in changed if (form := form_of(path, work.after.files[path], self._task))
        ]
        answers = await self._found(work, [(form, path, None) for path, form in wanted[:MAX_FILES]])
        sound: Looked = []
        for (path, form), found in zip(wanted, answers, strict=False):
            if found is None and form != "text":
                sound.append((path, form))
            elif isinstance(found, list) and not await self._was_so(work, form, path, found):
                unsound.append(UnsoundFile(path, *_line_and_words(found), "" if form == "text" else form))
        unread = [path for (path, _), found in zip(wanted, answers, strict=False) if found == UNREAD]
        if unread or len(wanted) > MAX_FILES:
            names = [
                *map(quoted, unread),
                *([f"more than {MAX_FILES} files"] if len(wanted) > MAX_FILES else []),
            ]
            work.runner.notice(
                f"What cannot be read in time was not looked at in its form: {list_names(names)}."
            )
        if not unsound and not sound:
            return ()
        result = told(unsound, sound, monotonic() - begun, work.runner)
        work.runner.started("sound", NAME)
        work.runner.finished(result)
        return (result,)

    async def _found(self, work: Work, files: Sequence["File"]) -> list[Any]:
        """An answer for each. What another Python does not take may be right for the work's own, which is asked then;
        YAML needs an installed package, and is asked of that alone."""
        if any(form == "YAML" for form, _, _ in files):
            return await self._look(work, files)
        answers = await self._look(work, files, quick=True)
        doubted = [
            place
            for place, found in enumerate(answers)
            if files[place][0] == "Python" and isinstance(found, list)
        ]
        again = await self._look(work, [files[place] for place in doubted])
        for place, found in zip(doubted, again, strict=True):
            answers[place] = found
        return answers

    async def _look(self, work: Work, files: Sequence["File"], *, quick: bool = False) -> list[Any]:
        """An answer for each, as `answers_in` has it; UNREAD where there is none. One file that cannot be read in time
        says nothing of the others."""
        answers: list[Any] = []
        for chunk in chunks(files, room("sound_forms.py")):
            found = await self._answers(work, chunk, self._timeout, quick)
            if found is None:
                end = monotonic() + self._timeout
                found = []
                for file in chunk if len(chunk) > 1 else ():
                    alone = await self._answers(work, [file], ALONE, quick) if monotonic() < end else None
                    found += alone or [UNREAD]
            answers += found or [UNREAD] * len(chunk)
        return answers

    async def _answers(
        self, work: Work, files: Sequence["File"], timeout: float, quick: bool
    ) -> list[Any] | None:
        """By one command; None: it did not come to its end."""
        told = [word for file in files for word in arguments(file)]
        done = await work.workspace.run(command("sound_forms.py", *told, quick=quick), timeout)
        return answers_in(done.output, len(files)) if done.exit_code == 0 else None

    async def _was_so(self, work: Work, form: Form, path: str, found: list[Any]) -> bool:
        """The file was unsound in the same way when the task began, or may have been."""
        entry = work.before.files.get(path)
        if entry is None:
            return False
        old = (form, path, entry.text)
        if entry.text is None or length(*arguments(old)) > room("sound_forms.py"):
            return True
        (before,) = await self._look(work, [old])
        return isinstance(before, list) and _kind(before) == _kind(found)


def told_by_text(before: Snapshot, after: Snapshot, task: str) -> Iterator[UnsoundFile]:
    """What the texts alone tell: merges that were left unfinished, and files without content."""
    added = []
    for path, entry in after.files.items():
        old = before.files.get(path)
        if old is None:
            added.append((path, entry))
        if entry.kind == "file" and entry.text and (old is None or old.sha256 != entry.sha256):
            line = conflict_line(path, entry.text, old.text if old else None, task)
            if line:
                yield UnsoundFile(path, line, "a mark of an unresolved merge conflict (<<<<<<<)")
    for path in empty_files(added, task):
        yield UnsoundFile(path, 0, "the file is empty")


File = tuple[Form, str, str | None]
"""Form, path, text; None: the file itself is looked at."""


def arguments(file: File) -> tuple[str, str, str]:
    """As the program takes them: in ASCII, whatever a name or a text holds."""
    form, path, text = file
    named = path.encode("utf-8", "surrogateescape").hex()
    return form, named, "-" if text is None else b64encode(compress(text.encode())).decode()


def answers_in(output: str, files: int) -> list[Any] | None:
    """What the program says of so many files on its last lines: None sound, False unknown, UNREAD, or [line, what is
    wrong]; None: nothing of the kind."""
    lines = [_ANSWER.fullmatch(line) for line in output.rstrip().split("\n")[-files:]]
    found = [line for line in lines if line is not None]
    if len(found) != files:
        return None
    simple = {"sound": None, "unknown": False, UNREAD: UNREAD}
    return [
        [int(line[2]), bytes.fromhex(line[3]).decode("utf-8", "replace")] if line[2] else simple[line[1]]
        for line in found
    ]


def chunks(files: Sequence[File], size: int) -> Iterator[list[File]]:
    """In pieces that fit into a command line. What does not fit alone is a piece of its own."""
    chunk: list[File] = []
    used = 0
    for file in files:
        need = length(*arguments(file))
        if chunk and used + need > size:
            yield chunk
            chunk, used = [], 0
        chunk.append(file)
        used += need
    if chunk:
        yield chunk


def told(unsound: Sequence[UnsoundFile], sound: Looked, seconds: float, runner: CheckRunner) -> CheckResult:
    if not unsound:
        names = [f"{quoted(path)} ({form})" for path, form in sound[:MAX_TOLD]]
        more = f" and {len(sound) - MAX_TOLD} more" if len(sound) > MAX_TOLD else ""
        are = "is" if len(sound) == 1 else "are"
        text = f"{counted(len(sound), 'file')} {are} sound in {'its' if are == 'is' else 'their'} form: "
        return CheckResult(
            NAME, 0, runner.redact(text + ", ".join(names) + more), seconds, "sound", ran=False
        )
    lines = [found.sentence for found in unsound[:MAX_TOLD]]
    if len(unsound) > MAX_TOLD:
        lines.append(f"and {len(unsound) - MAX_TOLD} more")
    text = runner.redact("\n".join(lines))
    head = "A file is not sound:" if len(unsound) == 1 else "Files are not sound:"
    return CheckResult(NAME, 1, text, seconds, "sound", ran=False, told=f"{head}\n{text}")


def _line_and_words(found: list[Any]) -> tuple[int, str]:
    match found:
        case [int(line), str(words)]:
            return line, words
    return 0, "it cannot be read in its form"


def _kind(found: list[Any]) -> str:
    return re.sub(r"\d+", "#", _line_and_words(found)[1])
