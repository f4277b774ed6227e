"""Prompts and answers as the conventions write them into a span, where that is asked for. Pure."""

import json

MAX_CHARACTERS = 16_000
"""Characters of a text: a span with more is cut, or refused, by what stores it."""


def message(role: str, text: str, *, finish: str = "") -> str:
    """`gen_ai.input.messages` or `gen_ai.output.messages`, as JSON: one message of one text."""
    parts = [{"type": "text", "content": text[:MAX_CHARACTERS]}]
    one = {"role": role, "parts": parts, **({"finish_reason": finish} if finish else {})}
    return json.dumps([one], ensure_ascii=False)
