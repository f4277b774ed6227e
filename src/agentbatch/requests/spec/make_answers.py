"""Rows from the output of an earlier batch: one model drafts, another one reviews."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentbatch.requests.spec.answers import text_of
from agentbatch.requests.spec.make_values import Values
from agentbatch.requests.spec.request import Url


def with_answers(rows: Sequence[Values]) -> tuple[list[Values], int]:
    """The rows, and how many were left out.

    A row in the form of our output lines also gets `id` (its custom_id), `answer` (the text) and `ok`; one that failed
    is left out. Other rows stay as they are.
    """
    kept: list[Values] = []
    failed = 0
    for row in rows:
        if not {"custom_id", "response", "error"} <= row.keys():
            kept.append(row)
        elif _succeeded(row):
            body = row["response"]["body"]
            kept.append({**row, "id": row["custom_id"], "answer": text_of(_url(body), body), "ok": True})
        else:
            failed += 1
    return kept, failed


def _succeeded(row: Values) -> bool:
    response = row["response"]
    return (
        row["error"] is None
        and isinstance(response, dict)
        and response.get("status_code") == 200
        and isinstance(response.get("body"), dict)
    )


def _url(body: Mapping[str, Any]) -> Url:
    """Which endpoint answers like this; an output line does not say."""
    if "output" in body:
        return "/v1/responses"
    choices = body.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict) and "text" in choices[0]:
        return "/v1/completions"
    return "/v1/chat/completions"
