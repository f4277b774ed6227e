"""Whether a text states an example, or speaks of what is wrong, was so, or might be. Pure.

An example that is none refuses right work; one that is missed costs little. So what is in doubt is no example.
"""

import re
from typing import NamedTuple

from agentbatch.patterns import regex

FAR = 1000
"""Characters of text that are looked at on each side."""

_BOUNDARY = regex(
    r"(?<!e\.g)(?<!i\.e)(?<!\bvs)(?<!\betc)[.!?;](?=\s|$)|[。！？；]|\n(?=\s*(?:[-*+•>|#]|\d+[.)]|>>>)\s?)|\n(?=\s*```)"
)
_BLANK = regex(r"\n[ \t]*\n")
_LISTED = regex(r"\s*(?:[-*+•>|]|\d+[.)]\s|>>>|```|$)")
_CALL = regex(r"\w\(")

_DENIED = regex(
    r"\b(?:not|never|no longer|cannot|\w+n['’]t|instead of|rather than|unlike|wrong|wrongly|incorrect|incorrectly|bugs?"
    r"|buggy|currently|at present|at the moment|today|previously|formerly|used to|old|was|were|actual|actually|broken"
    r"|fails?|failing|suppose|assume|assuming|imagine|if|unless|whether|although|though|avoid|forbid|random|randomly"
    r"|could|might|may|maybe|perhaps|something|sometimes|approximately|roughly|like|say|without|after"
    r"|once|then|anything but)\b"
    r"|不|没|别|非|错|目前|现在|当前|以前|曾|旧|假设|如果|若|もし|現在|誤|ない",
    re.IGNORECASE,
)
_DENIED_AFTER = regex(
    r"\b(?:instead|rather than|but|wrong|incorrect|bug|expected|supposed|not what|should|must|ought|or so|if"
    r"|unless|when|only|on some|depending|depends|for example|sometimes|usually|often)\b"
    r"|应|而不是|但|如果|当|ではな|べき",
    re.IGNORECASE,
)
_DOUBTFUL = regex(
    r"\b(?:bugs?|buggy|wrong|wrongly|incorrect|incorrectly|broken|currently|at present|at the moment|no longer|used to"
    r"|actual|actually|misbehav\w+|regress\w*|fails|failing|crash\w*|fix|fixes|fixed|mistakes?|previously|instead"
    r"|bad|problems?|complain\w*|reported|reports? that|today)\b|错|目前|现在|当前|修复|问题|バグ|現在|誤|修正",
    re.IGNORECASE,
)
_WANTED = regex(
    r"\b(?:so that|such that|make sure|ensure|expect(?:ed|s)?|should|must|required?|correct|examples?|afterwards)\b"
    r"|应|必须|例|期望|正しい",
    re.IGNORECASE,
)
_NOT_WANTED = regex(
    r"\b(?:should|must|may|can|do|does|shall|will)(?:\s+not|n['’]t|\s+never|\s+no longer)\b", re.I
)


class Context(NamedTuple):
    """What stands around an example."""

    before: str
    """Its sentence up to it."""
    after: str
    """The rest of its sentence."""
    paragraph: str
    intro: str
    """The line that a list or a block of code follows."""

    def states(self, *, demanded: bool) -> bool:
        """It is an example. `demanded`: it says itself that it should be so."""
        sentence = self.before + self.after
        if _DENIED.search(self.before) or "?" in self.after[-1:] or "？" in self.after[-1:]:
            return False
        if _NOT_WANTED.search(sentence) or (not demanded and _DENIED_AFTER.search(self.after)):
            return False
        wanted = demanded or _WANTED.search(self.before) is not None
        return wanted or not (self._doubtful(self.paragraph) or self._doubtful(self.intro))

    @staticmethod
    def _doubtful(text: str) -> bool:
        return _DOUBTFUL.search(text) is not None


def context(text: str, start: int, end: int) -> Context:
    """What stands around `text[start:end]`."""
    first, last = max(0, start - FAR), min(len(text), end + FAR)
    before, after = text[first:start], text[end:last]
    above = _ends(_BLANK, before)
    below = _BLANK.search(after)
    block_before, block_after = before[above:], after[: below.start()] if below else after
    sentence = _BOUNDARY.search(block_after)
    return Context(
        before=block_before[_ends(_BOUNDARY, block_before) :],
        after=block_after[: sentence.end()] if sentence else block_after,
        paragraph=block_before + " " + block_after,
        intro=_intro(before),
    )


def _ends(pattern: re.Pattern[str], text: str) -> int:
    """Where the last match ends; 0: there is none."""
    return max((found.end() for found in pattern.finditer(text)), default=0)


def _intro(before: str) -> str:
    """The last whole line above that is no item of a list, no code and not blank."""
    lines = [line.rstrip() for line in before.split("\n")[:-1]]
    return next((line for line in reversed(lines) if line.endswith((":", "：")) or not _is_listed(line)), "")


def _is_listed(line: str) -> bool:
    """An item of a list, or code: a call stands in it."""
    if _LISTED.match(line):
        return True
    call = _CALL.search(line)
    return call is not None and line.find(")", call.end()) >= 0
