"""A verdict as lines of the screen: what is met, what is not, and why it was not accepted. Pure."""

from collections.abc import Mapping
from typing import Any

from agentbatch.runs import events as e
from agentbatch.runs.check_words import decided_by, said_by
from agentbatch.runs.listing import ShownStatus
from agentbatch.runs.state.acceptance import accepted_words
from agentbatch.runs.verdict_words import MAX_ITEMS, NOT_FOUND, Proof, required
from agentbatch.text import clip, harmless
from agentbatch.tui.lines.glyphs import COLOURS, Glyphs
from agentbatch.tui.lines.render import Line, row, text_lines
from agentbatch.tui.lines.transcript.check_lines import check_lines

MAX_QUOTE = 400
"""Cells of a quote."""


def verdict_lines(event: e.VerdictReached, opened: bool, glyphs: Glyphs) -> list[Line]:
    """The outcome; opened, all that the evaluator said."""
    verdict = event.verdict or {}
    status: ShownStatus = "completed" if event.accepted else "error"
    word = (accepted_words(event.verdict, event.checks) if event.accepted else "not accepted").capitalize()
    score = verdict.get("score")
    parts = [decided_by(event.decided_by, event.checks)]
    parts += [f"score {score:.2f}"] if isinstance(score, int | float) else []
    sign = f"{glyphs['open' if opened else 'closed']} "
    head = row([(sign, "dim"), (f"{glyphs[status]} {word}", f"bold {COLOURS[status]}")], ", ".join(parts))
    return [head, *_body(event, verdict, glyphs)] if opened else [head]


def _body(event: e.VerdictReached, verdict: Mapping[str, Any], glyphs: Glyphs) -> list[Line]:
    lines = check_lines(event.checks, glyphs)
    lines += requirement_lines(verdict, glyphs)
    if verdict.get("blocked"):
        lines.append(Line("! blocked: the evaluator sees no way to do it", "$text-warning", 2))
    lines += _items("missing", verdict.get("missing"), "$text-warning")
    if not event.accepted:
        lines += _items("because", [text for text in event.refusals if not said_by(text, event.checks)], "")
    lines += _items("! changed tests or protected files", event.tampering, "$text-warning")
    return lines


def requirement_lines(verdict: Mapping[str, Any], glyphs: Glyphs) -> list[Line]:
    """Each requirement with its sign, its word and what shows it."""
    lines: list[Line] = []
    for requirement in required(verdict):
        status: ShownStatus = "completed" if requirement.met else "error"
        words = f"{glyphs[status]} {'met' if requirement.met else 'not met'}: "
        lines.append(Line(f"{words}{harmless(requirement.text)}", "", 2, ((0, len(words), COLOURS[status]),)))
        for proof in requirement.proofs:
            lines += text_lines(proof.words, "dim", 6) if not proof.place else [_quote(proof)]
    return lines


def _quote(proof: Proof) -> Line:
    """The words as they stand, and where."""
    words = f'"{clip(proof.words, MAX_QUOTE)}"'
    style = "dim" if NOT_FOUND not in proof.place else "$text-warning"
    return Line(
        f"{words} {proof.place}", "", 6, ((len(words) + 1, len(words) + 1 + len(proof.place), style),)
    )


def _items(word: str, items: object, style: str) -> list[Line]:
    words = f"{word}: "
    texts = [f"{words}{harmless(str(item))}" for item in _listed(items) if str(item).strip()]
    return [Line(text, "", 2, ((0, len(words), f"bold {style}".strip()),)) for text in texts]


def _listed(items: object) -> list[Any]:
    return list(items[:MAX_ITEMS]) if isinstance(items, list | tuple) else []
