"""A task's transcript as somebody looks at it: which blocks are open, what they show, where a word stands in it."""

import re
from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

from agentbatch.patterns import regex
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import Line, as_text
from agentbatch.tui.lines.transcript.block_lines import Scene, lines_of, opens
from agentbatch.tui.lines.transcript.blocks import Block, CoderMessage, Key, NoteToCoder, is_open, keys_of
from agentbatch.tui.lines.transcript.transcript import Transcript
from agentbatch.tui.reading.transcript import TranscriptReading

AT_ONCE = 50
"""Blocks whose messages are in memory at the same time, where all are gone through."""

MAX_HITS = 1_000
"""Places that a search gives."""

MAX_TEXT_LENGTH = 1_000_000
"""Characters, about, that `text` gives: more than terminals take into the clipboard."""

_WORDS = regex(r"[A-Za-z0-9_.=-]+")


class Hit(NamedTuple):
    """A place that a search found: a block, and a line of it when it is open."""

    block: int
    line: int


class TranscriptView:
    """A transcript, or what stands in for one."""

    def __init__(
        self,
        glyphs: Glyphs,
        placeholder: Sequence[Block] = (),
        reading: TranscriptReading | None = None,
        whole: str = "",
    ) -> None:
        """`placeholder` is shown while nothing has happened; `whole`: the file of the whole conversation."""
        self._glyphs = glyphs
        self._placeholder = placeholder
        self._reading = reading
        self._whole = whole
        self._transcript = Transcript()
        self._opened: dict[int, bool] = {}

    @property
    def blocks(self) -> Sequence[Block]:
        return self._transcript.blocks or self._placeholder

    @property
    def is_placeholder(self) -> bool:
        """These are not the task's own blocks."""
        return not self._transcript.blocks

    def read_on(self) -> set[int]:
        """Take in what has come up; the places of blocks that are not as they were. Raises UserError."""
        if self._reading is not None:
            self._reading.read_on(self._transcript)
        touched, self._transcript.touched = self._transcript.touched, set()
        return touched

    def opened(self, place: int) -> bool:
        return self._opened.get(place, is_open(self.blocks[place]))

    def toggle(self, place: int) -> bool:
        """Open a closed block, close an open one; false where there is nothing to open. Raises UserError."""
        block = self.blocks[place]
        if not opens(block, self._scene([(block, True)])):
            return False
        self._opened[place] = not self.opened(place)
        return True

    def open(self, place: int) -> None:
        self._opened[place] = True

    def lines(self, places: Iterable[int]) -> dict[int, list[Line]]:
        """What the blocks at `places` show. Raises UserError."""
        return self._shown([(place, self.opened(place)) for place in places])

    def find(self, text: str) -> tuple[re.Pattern[str], list[Hit]]:
        """What finds harmless `text`, capitals or not, and the lines that have it, in closed blocks too: the latest
        MAX_HITS of them, in order. Raises UserError."""
        needle = re.compile(re.escape(text), re.IGNORECASE)
        # The database looks for a word that JSON writes as it is: making lines of ten thousand messages takes seconds.
        word = max(_WORDS.findall(text), key=len, default="").lower()
        holding = self._reading.holding(word) if self._reading is not None and word else None
        hits: list[Hit] = []
        for places in self._backwards():
            shown = [(place, holding is None or self._may_hold(place, holding)) for place in places]
            # What only its message shows need not be looked at without it.
            shown = [
                (at, may)
                for at, may in shown
                if may or not isinstance(self.blocks[at], CoderMessage | NoteToCoder)
            ]
            for place, lines in self._shown(shown).items():
                found = [Hit(place, at) for at, line in enumerate(lines) if needle.search(line.text)]
                hits += reversed(found)
            if len(hits) >= MAX_HITS:
                break
        return needle, hits[:MAX_HITS][::-1]

    def _may_hold(self, place: int, holding: Set[Key]) -> bool:
        keys = keys_of(self.blocks[place], True)
        return not keys or not holding.isdisjoint(keys)

    def text(self) -> str:
        """All of it as plain text, open; of a very long one the end. Raises UserError."""
        texts: list[str] = []
        length = 0
        for places in self._backwards():
            if length > MAX_TEXT_LENGTH:
                where = f" The whole conversation: {self._whole}" if self._whole else ""
                texts.append(f"[... what came before is left out.{where}]")
                break
            for lines in self._shown([(place, True) for place in places]).values():
                texts.append(as_text(lines))
                length += len(texts[-1])
        return "\n".join(reversed(texts))

    def _backwards(self) -> Iterable[range]:
        """The places of all blocks, from the last one on, some at once."""
        for end in range(len(self.blocks), 0, -AT_ONCE):
            yield range(end - 1, max(0, end - AT_ONCE) - 1, -1)

    def _shown(self, shown: Sequence[tuple[int, bool]]) -> dict[int, list[Line]]:
        """The lines of blocks, each open or closed."""
        blocks = [(self.blocks[place], opened) for place, opened in shown]
        scene = self._scene(blocks)
        return {
            place: lines_of(block, opened, scene)
            for (place, _), (block, opened) in zip(shown, blocks, strict=True)
        }

    def _scene(self, shown: Sequence[tuple[Block, bool]]) -> Scene:
        keys = dict.fromkeys(key for block, opened in shown for key in keys_of(block, opened))
        messages = self._reading.messages(keys) if self._reading is not None else {}
        return Scene(self._glyphs, messages, self._whole)
