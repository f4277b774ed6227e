"""What the judge sees: facts gathered from the directory and the commands, in pieces, fenced against what they say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from agentbatch.model.tokens import estimate
from agentbatch.runs.check_words import check_name, check_prefix
from agentbatch.tasks.agents.language import language_of
from agentbatch.tasks.agents.messages import fence
from agentbatch.tasks.agents.project import ProjectFile, fitting
from agentbatch.tasks.agents.shorten import cut, shares, shortened
from agentbatch.tasks.evaluator.checks.check import CheckResult, refs_of
from agentbatch.tasks.evaluator.judging.evidence.changed_files import file_pieces
from agentbatch.tasks.evaluator.judging.evidence.pieces import Piece, one_line, set_off
from agentbatch.tasks.evaluator.judging.evidence.section import Section
from agentbatch.tasks.evaluator.judging.execution.commands import CRASH
from agentbatch.tasks.evaluator.judging.execution.loading import OURS
from agentbatch.tasks.evaluator.judging.execution.reached import MAX_PROGRAMS, runs_work
from agentbatch.tasks.evaluator.judging.execution.runnable import runnable
from agentbatch.workspace.files.diff.diff import changes, tree
from agentbatch.workspace.files.diff.file_diff import quoted
from agentbatch.workspace.workspace import CommandRecord, Snapshot

SHOWN_COMMANDS = 30
MAX_COMMAND = 2000
"""Characters of a command."""
SHOWN_COMMAND_TAIL = 1500
"""Characters of each command's output; the latest command may show LATEST_COMMAND_TAIL."""
LATEST_COMMAND_TAIL = 6000
MAX_CLAIM = 6000
MAX_PROJECT = 8000
"""Characters of AGENTS.md and the task's context together."""
MAX_VERIFY_TAIL = 6000

SHORT_DIFF = 3000
"""Characters of changes that are shown to a weak judge without the list of files."""

SHORT_COMMAND = 160
"""Characters of a command that a weak judge is shown."""

TOLD = " as the Coder's program tells, seen by nobody else"
AGAIN = " told by the Coder's program and run by the evaluator"
"""What a command's heading says of how it is known."""

WEIGHTS = {
    "diff": 4,
    "verify": 3,
    "runs": 3,
    "commands": 2,
    "claim": 1,
    "tampering": 1,
    "missing_before": 1,
    "project": 1,
    "tree": 1,
}
"""How what the evidence may take is shared out where it is too little."""


class Shown(NamedTuple):
    """The evidence as it fits."""

    texts: Mapping[str, str]
    """By the names that prompts/evidence.md gives them."""
    pieces: Mapping[str, Piece]
    """Those that can be seen in it, by ref."""
    unseen: tuple[str, ...] = ()
    """Changed sources that cannot."""
    doubtful: tuple[str, ...] = ()
    """Checks of our own that failed: the judge is to say whether they are wrong."""


@dataclass(frozen=True)
class Evidence:
    """One iteration's evidence."""

    iteration: int
    max_iterations: int
    task: str
    before: Snapshot
    """The directory when the task began."""
    after: Snapshot
    commands: Sequence[CommandRecord] = ()
    """Of the coder."""
    checks: Sequence[CheckResult] = ()
    tampering: Sequence[str] = ()
    said: Sequence[str] = ()
    """What the user has said since: part of the task."""
    missing_before: Sequence[str] = ()
    turn_end: str = ""
    claim: str = ""
    tried_from: int = 0
    """Index of the first command that ran after the last change."""
    runs: Sequence[CommandRecord] = ()
    """What the evaluator itself ran."""
    must_run: bool = False
    """No check has run anything: what the coder ran after the last change has to be quoted."""
    project: Sequence[ProjectFile] = ()
    """What the project asks of the work, and what the task gives with it, as it was before."""
    left: Sequence[str] = ()
    """Changed programs that nothing has run, and that are too many to be loaded."""

    @property
    def can_run(self) -> bool:
        """The change can be run here: what ran before it shows nothing."""
        return bool(self._programs)

    @property
    def has_run(self) -> bool:
        """Something has run the work after its last change, and went well."""
        return any(map(self._runs_work, (*self.commands[self.tried_from :], *self.runs)))

    @cached_property
    def _programs(self) -> tuple[str, ...]:
        return runnable(self.before, self.after)[:MAX_PROGRAMS]

    def _runs_work(self, record: CommandRecord) -> bool:
        return runs_work(record, self._programs, self.after)

    @property
    def _doubtful(self) -> list[str]:
        named = zip(refs_of(self.checks), self.checks, strict=True)
        # Those that bind are no judge's to rule on: a small one wrote them, and is asked for no word on it.
        return [
            ref
            for ref, check in named
            if check.kind == "own" and not check.binding and not check.passed and not check.overruled
        ]

    def shown_by_run(self) -> Piece | None:
        """The check that shows best that the work does what it should: `verify`, an example of the task, or values on
        which a small evaluator's askings agree. None: none has run and passed, or another one has failed. That a
        command prints something shows too little."""
        counting = [check for check in self.checks if not check.overruled]
        if not all(check.passed for check in counting):
            return None
        pieces = zip(self.checks, self._checks(weak_model=True), strict=True)
        passed = {
            check.kind: piece
            for check, piece in pieces
            if piece.ran and not check.overruled and (check.binding or check.kind != "example")
        }
        return next((passed[kind] for kind in ("verify", "example", "own") if kind in passed), None)

    def sections(self, diff_characters: int, *, weak_model: bool) -> dict[str, str | Section]:
        """What may be cut to fit a small context window, by the names that prompts/evidence.md gives them. A weak
        model is not shown at length what passing checks and commands say."""
        files = Section(file_pieces(self.before, self.after), diff_characters)
        return {
            "verify": Section(self._checks(weak_model)),
            "runs": Section(
                tuple(
                    _run(f"R{n}", "run by the evaluator", r, ran=self._runs_work(r))
                    for n, r in enumerate(self.runs, 1)
                )
            ),
            "tampering": _items(quoted(path) for path in self.tampering),
            "diff": files,
            "commands": self._commands(weak_model),
            "claim": _end(self.claim, MAX_CLAIM),
            "missing_before": _items(self.missing_before),
            # A small judge takes rules for requirements.
            "project": "" if weak_model else _project(self.project),
            "tree": "" if weak_model and self._all_shown(files) else self._tree(),
        }

    def fit(self, diff_characters: int, tokens: int | None = None, *, weak_model: bool = False) -> Shown:
        """All of it in about so many tokens; small parts whole, large ones cut."""
        sections = self.sections(diff_characters, weak_model=weak_model)
        whole = {name: _fit(section, None) for name, section in sections.items()}
        if tokens is not None:
            sizes = {name: estimate(text) for name, (text, _) in whole.items()}
            share = shares(sizes, tokens, WEIGHTS)
            whole = {
                name: whole[name] if sizes[name] <= share[name] else _fit(section, share[name])
                for name, section in sections.items()
            }
        seen = {piece.ref: piece for _, pieces in whole.values() for piece in pieces}
        files = sections["diff"]
        sources = files.pieces if isinstance(files, Section) else ()
        unseen = tuple(p.source for p in sources if p.source and (p.hidden or p.ref not in seen))
        texts = {name: text for name, (text, _) in whole.items()}
        return Shown(texts, seen, unseen, tuple(ref for ref in self._doubtful if ref in seen))

    def variables(self, texts: Mapping[str, str], doubtful: Sequence[str] = ()) -> dict[str, object]:
        """The values for prompts/evidence.md. A fresh nonce each time, so that no text can close the fence.

        `doubtful`: checks of which the judge is to say whether they are wrong."""
        return {
            **texts,
            "nonce": fence(self.task, *self.said, *texts.values()),
            "iteration": self.iteration,
            "max_iterations": self.max_iterations,
            "task": self.task,
            "said": list(self.said),
            "missing_before": texts["missing_before"].splitlines(),
            "tampering": texts["tampering"].splitlines(),
            "turn_end": self.turn_end,
            "doubtful": list(doubtful),
            "language": language_of(self.task),
        }

    def _tree(self) -> str:
        return tree(self.after) if self.after.files else ""

    def _all_shown(self, files: Section) -> bool:
        """The changes are short and name every file there is: a list of these would say nothing more."""
        touched = changes(self.before, self.after)
        if not set(self.after.files) <= {*touched.added, *touched.modified}:
            return False
        return bool(files.pieces) and sum(len(piece.render()) for piece in files.pieces) <= SHORT_DIFF

    def _checks(self, weak_model: bool) -> tuple[Piece, ...]:
        named = zip(refs_of(self.checks), self.checks, strict=True)
        return tuple(_check(ref, result, weak_model) for ref, result in named)

    def _commands(self, weak_model: bool) -> Section:
        """The latest ones. For a weak judge one, and one more where that one is not what it has to quote; none where
        checks have run, which say more."""
        total = len(self.commands)
        shown: Sequence[int] = range(max(0, total - SHOWN_COMMANDS), total)
        if weak_model:
            ran = [check for check in self.checks if check.ran]
            places = {total - 1} if total and not (ran and all(check.passed for check in ran)) else set()
            good = [n for n in range(self.tried_from, total) if self._runs_work(self.commands[n])]
            shown = sorted({*places, *(good[-1:] if self.must_run else ())})
        length = SHORT_COMMAND if weak_model else MAX_COMMAND
        pieces = []
        for place in shown:
            limit = LATEST_COMMAND_TAIL if place == total - 1 else SHOWN_COMMAND_TAIL
            record, stale = self.commands[place], place < self.tried_from
            well = not stale and self._runs_work(record)
            pieces.append(_run(f"C{place + 1}", "command", record, limit, length, ran=well, stale=stale))
        left_out = 0 if weak_model else total - len(pieces)
        return Section(tuple(pieces), latest_first=True, left_out=left_out)


def _fit(section: str | Section, tokens: int | None) -> tuple[str, tuple[Piece, ...]]:
    if isinstance(section, Section):
        return section.fit(tokens)
    return set_off(section if tokens is None else cut(section, tokens)), ()


def _run(
    ref: str,
    what: str,
    record: CommandRecord,
    limit: int = SHOWN_COMMAND_TAIL,
    length: int = MAX_COMMAND,
    *,
    ran: bool,
    stale: bool = False,
) -> Piece:
    end = "killed" if record.exit_code is None else f"exit {record.exit_code}"
    if record.untold:
        end = "exit not told"
    passed = record.exit_code == 0
    when = ", before the last change" if stale else ""
    whose = TOLD if record.told else AGAIN if record.again else ""
    return Piece(
        ref,
        f"{what}{whose}, {end}{when}: {one_line(shortened(record.command.strip(), length))}",
        record.tail,
        body=_end(record.tail, limit),
        outcome=(end, end.replace("exit", "exit code")),
        failed=not (passed or record.untold) or CRASH in record.tail,
        ran=ran,
        stale=stale,
        told=record.told,
    )


def _check(ref: str, result: CheckResult, weak_model: bool) -> Piece:
    command = shortened(result.command.strip(), SHORT_COMMAND if weak_model else MAX_COMMAND)
    what = "verify" if result.kind == "verify" else f"check {result.kind}"
    end = "passed" if result.passed else f"failed ({result.end})"
    need = (
        f", for: {shortened(' '.join(result.requirement.split()), SHORT_COMMAND)}"
        if result.requirement
        else ""
    )
    said = [line for line in result.tail.splitlines() if result.kind != "load" or not line.startswith(OURS)]
    return Piece(
        ref,
        f"{what}, {end}{need}: {one_line(command)}",
        "\n".join(said),
        body=_end(result.tail, MAX_VERIFY_TAIL),
        outcome=_outcome(result),
        failed=not result.passed,
        ran=result.passed and result.ran,
        of_form=result.kind in ("sound", "steady"),
        named=f"{check_prefix(result.kind)}, {end}: {check_name(result.kind, command, result.requirement)}",
    )


def _outcome(result: CheckResult) -> tuple[str, ...]:
    if result.kind in ("sound", "steady", "load"):
        return ()  # That a file is sound in its form, or loads, shows nothing of what it does.
    return ("passed", "exit 0", "exit code 0") if result.passed else ("failed", result.end)


def _project(files: Sequence[ProjectFile]) -> str:
    return "\n".join(
        f"{one_line(quoted(one.path))}:\n{one.text.strip()}" for one in fitting(files, MAX_PROJECT)
    )


def _items(items: Iterable[str]) -> str:
    """One item a line, a line each."""
    return "\n".join(" ".join(item.split()) for item in items)


def _end(text: str, limit: int) -> str:
    text = text.strip()
    return text if len(text) <= limit else f"[... {len(text) - limit} characters left out]\n{text[-limit:]}"
