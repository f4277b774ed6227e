"""Sessions of the interactive interpreter that a task's text shows. Pure."""

import re
from collections.abc import Iterator
from itertools import islice

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.facts.stated.context import context
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCall
from agentbatch.tasks.evaluator.checks.facts.stated.literals import call_at, literal_at

_PROMPT = regex(r"^[ \t]*>>>[ \t]*(.*)$", re.MULTILINE)
_HARMLESS = regex(r"(?:from|import)\s|#|$")
_CALL = regex(r"(?:([A-Za-z_]\w*)\.)?([A-Za-z_]\w*)\(", re.ASCII)
_PRINT = regex(r"print\((.*)\)$")
_ENDS = regex(r"[ \t]*(?:>>>|```|$)")
_ERROR = regex(r"([A-Za-z_][\w.]*)(?::.*)?$", re.ASCII)
MAX_OUTPUT = 30
"""Lines."""
MAX_PROMPTS = 300
"""Statements of one text that are looked at."""


def stated_sessions(text: str) -> Iterator[StatedCall]:
    """Calls and what is shown below them. What follows a statement that is not understood may depend on it, and is left
    out up to the end of its block."""
    prompts = list(islice(_PROMPT.finditer(text), MAX_PROMPTS))
    lost = -1
    for place, prompt in enumerate(prompts):
        output, end = _output(text, prompt.end())
        follows = prompts[place + 1].start() if place + 1 < len(prompts) else -1
        goes_on = follows == end
        code = prompt[1].strip()
        example = None if lost == place else _example(code, output)
        if example is not None and context(text, prompt.start(), end).states(demanded=False):
            yield example
        elif goes_on and (lost == place or not _HARMLESS.match(code)):
            lost = place + 1


def _output(text: str, start: int) -> tuple[list[str], int]:
    """The lines below a prompt, up to the next one, a blank line or the end of the code; and where they end."""
    lines: list[str] = []
    place = start + 1
    while place < len(text) and len(lines) < MAX_OUTPUT:
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        line = text[place:end]
        if _ENDS.match(line):
            break
        lines.append(line.strip())
        place = end + 1
    return lines, min(place, len(text))


def _example(code: str, output: list[str]) -> StatedCall | None:
    printed = _PRINT.match(code)
    code = printed[1].strip() if printed else code
    name = _CALL.match(code)
    call = call_at(code, 0, name[2], name[1] or "") if name else None
    if (
        call is None
        or not output
        or output[0].startswith("...")
        or code[call.end :].partition("#")[0].strip()
    ):
        return None
    if output[0].startswith("Traceback (most recent call last)"):
        error = _ERROR.match(output[-1])
        raises = error[1].rsplit(".", 1)[-1] if error else ""
        return StatedCall(call.function, call.source, "", raises, call.module) if raises else None
    shown = "\n".join(output)
    if printed:
        if "..." in shown:
            return None
        return StatedCall(call.function, call.source, repr(shown), module=call.module, printed=True)
    expected = literal_at(shown, 0)
    if not expected or len(expected) != len(shown):
        return None
    return StatedCall(call.function, call.source, expected, module=call.module)
