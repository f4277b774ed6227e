"""The language of a task, where its script shows it: a small model judges a Chinese task in English unless told."""

import re

from agentbatch.patterns import regex

LOOKED_AT = 20_000
"""Characters of a task."""

_CODE = regex(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_SCRIPTS = (
    ("Japanese", regex("[぀-ヿ]")),
    ("Korean", regex("[가-힣]")),
    ("Chinese", regex("[㐀-鿿]")),
)
"""A text with kana is Japanese, whatever Han it has."""
_SIGN = regex("[぀-ヿ㐀-鿿가-힣]")
_WORD = regex("[A-Za-z]{2,}")


def language_of(task: str) -> str:
    """`Chinese`, `Japanese` or `Korean`; empty where the task has more words in Latin letters than signs of these."""
    prose = _CODE.sub(" ", task[:LOOKED_AT])
    if len(_SIGN.findall(prose)) <= len(_WORD.findall(prose)):
        return ""
    found = {name: len(signs.findall(prose)) for name, signs in _SCRIPTS}
    return next(name for name, count in found.items() if count * 20 > sum(found.values()))
