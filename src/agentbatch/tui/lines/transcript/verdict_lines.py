"""A verdict as lines of the screen: what is met, what is not, and why it was not accepted. Pure."""

from collections.abc import Mapping
from typing import Any

from agentbatch.runs import events as e
from agentbatch.runs.check_words import decided_by
from agentbatch.runs.listing import ShownStatus
from agentbatch.text import harmless
from agentbatch.tui.lines.glyphs import COLOURS, Glyphs
from agentbatch.tui.lines.render import Line, row, text_lines
from agentbatch.tui.lines.transcript.check_lines import check_lines

MAX_ITEMS = 60
"""Requirements, missing things and refusals shown, of each."""


def verdict_lines(event: e.VerdictReached, opened: bool, glyphs: Glyphs) -> list[Line]:
    """The outcome; opened, all that the evaluator said."""
    verdict = event.verdict or {}
    status: ShownStatus = "completed" if event.accepted else "error"
    word = "Accepted" if event.accepted else "Not accepted"
    score = verdict.get("score")
    parts = [decided_by(event.decided_by, event.checks)]
    parts += [f"score {score:.2f}"] if isinstance(score, int | float) else []
    sign = f"{glyphs['open' if opened else 'closed']} "
    head = row([(sign, "dim"), (f"{glyphs[status]} {word}", f"bold {COLOURS[status]}")], ", ".join(parts))
    return [head, *_body(event, verdict, glyphs)] if opened else [head]


def _body(event: e.VerdictReached, verdict: Mapping[str, Any], glyphs: Glyphs) -> list[Line]:
    lines = check_lines(event.checks, glyphs)
    lines += requirement_lines(verdict.get("requirements"), glyphs)
    if verdict.get("blocked"):
        lines.append(Line("! blocked: the evaluator sees no way to do it", "$text-warning", 2))
    lines += _items("missing", verdict.get("missing"), "$text-warning")
    if not event.accepted:
        lines += _items("because", event.refusals, "")
    lines += _items("! changed tests or protected files", event.tampering, "$text-warning")
    return lines


def requirement_lines(requirements: object, glyphs: Glyphs) -> list[Line]:
    """Each requirement with its sign, its word and its evidence."""
    lines: list[Line] = []
    for requirement in _listed(requirements):
        if not isinstance(requirement, Mapping):
            continue
        met = requirement.get("met") is True
        status: ShownStatus = "completed" if met else "error"
        word = "met" if met else "not met"
        words = f"{glyphs[status]} {word}: "
        text = f"{words}{harmless(str(requirement.get('text', '')))}"
        lines.append(Line(text, "", 2, ((0, len(words), COLOURS[status]),)))
        lines += quote_lines(requirement.get("evidence"))
    return lines


def quote_lines(evidence: object) -> list[Line]:
    """Each quote, and where it stands; old runs have text alone."""
    if isinstance(evidence, str):
        return text_lines(evidence, "dim", 6)
    lines: list[Line] = []
    for item in _listed(evidence):
        if isinstance(item, Mapping):
            ref, where = harmless(str(item.get("ref", ""))), harmless(str(item.get("where", "")))
            place = f" [{ref}] {where}" if where else ""
            lines.append(Line(f'"{harmless(str(item.get("quote", "")))}"{place}', "dim", 6))
    return lines


def _items(word: str, items: object, style: str) -> list[Line]:
    words = f"{word}: "
    texts = [f"{words}{harmless(str(item))}" for item in _listed(items) if str(item).strip()]
    return [Line(text, "", 2, ((0, len(words), f"bold {style}".strip()),)) for text in texts]


def _listed(items: object) -> list[Any]:
    return list(items[:MAX_ITEMS]) if isinstance(items, list | tuple) else []
