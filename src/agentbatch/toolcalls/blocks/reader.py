"""Reads the blocks of the text protocol in a reply, line by line and tolerantly: weak models decorate."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from agentbatch.toolcalls.blocks.edit_pairs import begins_pair, end_of_pairs, has_pairs
from agentbatch.toolcalls.blocks.fences import NESTING, RESULT, SHELLS, TRANSCRIPTS, Block, Fences
from agentbatch.toolcalls.blocks.labels import (
    CODE,
    SUFFIXES,
    begins_with_prompt,
    comment_path,
    head_of,
    info_path,
    is_plain_head,
    label_of,
    path_of,
    reads_of,
    suffix_of,
)
from agentbatch.toolcalls.blocks.parsed_calls import ParsedCalls, language_of
from agentbatch.toolcalls.blocks.whole_file import ReplyContext, first_text, is_fragment, is_whole
from agentbatch.toolcalls.json_calls import JSON_FENCES, calls_at

MAX_FAILURES = 32
"""Lines that look like JSON but are not, before the search for JSON ends."""

PROSE_BETWEEN = 3
"""Lines of text allowed between `FILE: name` and its block."""

_JSON = ("{", "[{", "[TOOL", "<tool", "<function", "<|")


class UnnamedBlock(NamedTuple):
    """A block without a file name."""

    language: str
    block: Block
    begin: int
    calls_before: int


class Reader:
    """One pass over the lines of a reply from line `start`. `names`: the available tools."""

    def __init__(
        self, lines: Sequence[str], start: int, names: frozenset[str], context: ReplyContext
    ) -> None:
        self.lines = lines
        self.start = start
        self.calls = ParsedCalls(names)
        self.unnamed: list[UnnamedBlock] = []
        self._names = names
        self._context = context
        self._fences = Fences(self.lines)
        self._edited = ""
        self._failures = 0

    def read(self) -> None:
        place = self.start
        while place < len(self.lines) and not self.calls.full:
            place = self._step(place)

    def _step(self, place: int) -> int:
        """Read what begins in this line; returns the line to continue with."""
        line = self.lines[place]
        if not line.strip():
            return place + 1
        if self._fences.at(place) is not None:
            return self._fenced(place)
        head = head_of(line)
        after = self._headed(place, head.word, head.rest) if head is not None else None
        if after is None and line.lstrip()[:1] in ("{", "[", "<"):
            after = self._bracket(place, line.strip())
        return self._labelled(place) if after is None else after

    def _headed(self, place: int, word: str, rest: str) -> int | None:
        """A line that begins with a keyword; None when it is not a head after all."""
        if word == "DONE":
            return self._done(place, rest)
        if word == "READ":
            for arguments in reads_of(rest):
                self.calls.add("read_file", arguments, place, open_end=self._ends_in(place))
            return place + 1
        if word == "RUN":
            return self._run(place, rest)
        path = path_of(rest)
        below = self._fences.below(place)
        far = self._fences.below(place, PROSE_BETWEEN) if below is None else None
        if path and below is not None:
            return self._file(below, path, place, sure=word == "FILE")
        if path and far is not None and self._language(far) not in SHELLS:
            return self._file(far, path, place, sure=word == "FILE")
        return self._bare_pairs(place, path) if path else None

    def _bracket(self, place: int, line: str) -> int | None:
        """A line that begins with a bracket: JSON, the end of thoughts, or a result that the model made up."""
        if RESULT.match(line):
            return len(self.lines)
        if line == "</think>":
            self.calls.taken.clear()
            self.unnamed.clear()
            self.start = place + 1
            return place + 1
        return self._json(place) if line.startswith(_JSON) else None

    def _labelled(self, place: int) -> int:
        """A line of text, perhaps with the name of the file in the block below."""
        label = label_of(self.lines[place])
        if label is None:
            return place + 1
        path, alone = label
        below = self._fences.below(place)
        if below is None:
            return (self._bare_pairs(place, path) if alone else None) or place + 1
        language = self._language(below)
        if (language in SHELLS | TRANSCRIPTS and suffix_of(path) in CODE) or self._inner_head(
            below
        ) is not None:
            return place + 1
        if alone:
            return self._file(below, path, place)
        block = self._fences.read(below, nesting=path.endswith(NESTING))
        if is_whole(block.body, path, language, self._context):
            self.calls.add_file(path, block, place)
            return block.after
        return block.after if language in SUFFIXES else place + 1

    def _fenced(self, place: int) -> int:
        """A block without a name in the line above."""
        inner = self._inner_head(place)
        if inner is not None:
            return self._wrapped(place, inner)
        if self._is_stray(place):
            return place + 1
        language, path = self._language(place), info_path(self._info(place).split())
        if path:
            return self._file(place, path, place)
        if language in SHELLS | TRANSCRIPTS:
            block = self._fences.read(place, shell=True)
            if language in SHELLS or begins_with_prompt(block.body):
                self.calls.add_command(block, place)
            return block.after
        block = self._fences.read(place)
        first = block.body[0] if block.body else ""
        path = comment_path(first)
        if path:
            return self._file(place, path, place)
        if has_pairs(block.body):
            label = label_of(first)
            self._add_pairs(label[0] if label is not None else self._edited, block, place)
        elif not (language in JSON_FENCES and first.lstrip().startswith(_JSON) and self._json(place + 1)):
            self.unnamed.append(UnnamedBlock(language, block, place, len(self.calls.taken)))
        return block.after

    def _inner_head(self, place: int) -> int | None:
        """The head that is the first text in the block which opens here."""
        inner = self._fences.next_text(place)
        return inner if inner is not None and is_plain_head(self.lines[inner]) else None

    def _wrapped(self, place: int, inner: int) -> int:
        """A block whose first text is a head: "```python", `FILE: a.py`, then the content or the actual block."""
        head = head_of(self.lines[inner])
        path = path_of(head.rest) if head is not None and head.word in ("FILE", "EDIT") else ""
        text = self._fences.next_text(inner)
        if head is not None and path and (text is None or not self._info(text)):
            return self._file(place, path, place, sure=head.word == "FILE", skip=inner - place)
        block = self._fences.read(place)
        before, at = len(self.calls.taken), self._step(inner)
        while not path and at < block.after - block.whole and not self.calls.full:
            at = self._step(at)
        if len(self.calls.taken) == before:
            return max(at, block.after)
        self.calls.taken[before] = replace(self.calls.taken[before], begin=place)
        after = at if at < len(self.lines) and self.lines[at].strip() else self._fences.next_text(at)
        stray = self._fences.at(after) if after is not None else None
        return at if after is None or stray is None or stray.info else after + 1

    def _is_stray(self, place: int) -> bool:
        """A closing mark without an opening one: it is followed by a head, an opening mark, or nothing."""
        if self._info(place):
            return False
        below = self._fences.next_text(place)
        if below is None or self._info(below):
            return True
        mark = self._fences.below(below) if head_of(self.lines[below]) is not None else None
        return mark is not None and bool(self._info(mark))

    def _file(self, place: int, path: str, begin: int, *, sure: bool = False, skip: int = 0) -> int:
        """The block of a file. `sure`: it is labelled as a whole file. `skip`: leading lines that are not content."""
        if self._language(place) in SHELLS and suffix_of(path) in CODE and not skip:
            block = self._fences.read(place, shell=True)
            self.calls.add_command(block, begin)
            return block.after
        nesting = path.lower().endswith(NESTING)
        first = self._fences.next_text(place)
        if first is not None and not nesting and not skip and self._opens_again(place, first):
            place, first = first, self._fences.next_text(first)
        if first is not None and not skip and self._repeats(first, path):
            skip = first - place
        block = self._fences.read(place, nesting=nesting)
        block = block._replace(body=block.body[skip:])
        if has_pairs(block.body) and not (sure and not begins_pair(first_text(block.body))):
            self._add_pairs(path, block, begin)
        elif not sure and self._is_part(path, block.body):
            self._add_pairs(path, block, begin)  # the tool will answer that it needs the text to replace
        else:
            self.calls.add_file(path, block, begin)
        return block.after

    def _opens_again(self, place: int, first: int) -> bool:
        """Whether the first text in the block opens it a second time."""
        opened, mark = self._fences.at(place), self._fences.at(first)
        return opened is not None and mark is not None and bool(mark.info) and mark.length >= opened.length

    def _repeats(self, place: int, path: str) -> bool:
        """Whether the first line in a block repeats its head."""
        head = head_of(self.lines[place]) if is_plain_head(self.lines[place]) else None
        return head is not None and path_of(head.rest) == path

    def _is_part(self, path: str, body: Sequence[str]) -> bool:
        return first_text(body)[:1].isspace() or is_fragment(body, self._context.last_seen(path) or "")

    def _run(self, place: int, rest: str) -> int | None:
        below = self._fences.below(place)
        if below is not None and not rest.strip("*`"):
            block = self._fences.read(below, shell=True)
            self.calls.add_command(block, place)
            return block.after
        quoted = rest.startswith("`") and rest.endswith("`") and rest.count("`") == 2
        command = (rest.strip("`") if quoted else rest).removeprefix("$ ").strip()
        if not command:
            return None
        self.calls.add("bash", {"command": command}, place, open_end=self._ends_in(place))
        return place + 1

    def _done(self, place: int, rest: str) -> int:
        """The end of the turn; the text up to the next call is its summary."""
        end = place + 1
        while end < len(self.lines) and self._is_summary(end):
            end += 1
        summary = "\n".join([rest, *self.lines[place + 1 : end]]).strip()
        self.calls.add("finish", {"summary": summary or "Done."}, place, open_end=self._ends_in(end - 1))
        return end

    def _is_summary(self, place: int) -> bool:
        line = self.lines[place]
        if self._fences.at(place) is not None or RESULT.match(line) or line.lstrip().startswith(_JSON):
            return False
        return head_of(line) is None and (self._fences.below(place) is None or label_of(line) is None)

    def _add_pairs(self, path: str, block: Block, begin: int) -> None:
        if path:
            self._edited = path
            self.calls.add_pairs(path, block, begin)

    def _bare_pairs(self, place: int, path: str) -> int | None:
        """Pairs below this line without a fence."""
        below = self._fences.next_text(place)
        end = (
            end_of_pairs(self.lines, below) if below is not None and begins_pair(self.lines[below]) else None
        )
        if below is None or end is None:
            return None
        self._add_pairs(path, Block("", list(self.lines[below:end]), True, end), place)
        return end

    def _json(self, place: int) -> int | None:
        """Calls as JSON that begins in this line; None when there are none."""
        if self._failures >= MAX_FAILURES:
            return None
        text = "\n".join(self.lines[place:])
        found = calls_at(text, 0, self._names)
        if found is None or not found[0]:
            self._failures += 1
            return None
        calls, end = found
        for name, arguments in calls:
            self.calls.add(name, json.loads(arguments), place, open_end=False)
        return place + text.count("\n", 0, end) + 1

    def _ends_in(self, place: int) -> bool:
        """Whether the reply ends in this line, so that it may have been cut off."""
        return place >= len(self.lines) - 1

    def _info(self, place: int) -> str:
        mark = self._fences.at(place)
        return mark.info if mark is not None else ""

    def _language(self, place: int) -> str:
        return language_of(self._info(place))
