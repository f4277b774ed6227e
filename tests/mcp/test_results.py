"""What a model reads of a call's result: text alone, bounded, harmless to a terminal."""

from typing import Any

import pytest

from agentbatch.mcp.results import MAX_RESULT, tool_result


def text(value: Any) -> dict[str, Any]:
    return {"type": "text", "text": value}


@pytest.mark.parametrize(
    ("given", "ok", "shown"),
    [
        ({"content": [text("one"), text("two")]}, True, "one\ntwo"),
        ({"content": [text("bad")], "isError": True}, False, "bad"),
        ({"content": [], "isError": True}, False, "The tool failed and says nothing of it."),
        ({"content": []}, True, "(nothing)"),
        ({"content": [], "structuredContent": {"a": [1]}}, True, '{"a": [1]}'),
        ({"content": [text("a")], "structuredContent": {"a": 1}}, True, "a"),
        ({"content": [text("a\x1b[2J\x07b\u202ec\r\nd\te")]}, True, "abc\nd\te"),
        (
            {"content": [{"type": "image", "mimeType": "image/png", "data": "AAAA"}]},
            True,
            "[image, image/png, 3 bytes: not shown]",
        ),
        ({"content": [{"type": "resource_link", "uri": "file:///x"}]}, True, "[link to file:///x]"),
        ({"content": [{"type": "resource", "resource": {"uri": "x:y", "text": "inner"}}]}, True, "inner"),
        (
            {"content": [{"type": "resource", "resource": {"uri": "x:y", "blob": "AAAA"}}]},
            True,
            "[resource x:y, of no kind, 3 bytes: not shown]",
        ),
        ({"content": [{"type": "hologram"}, "x", text(5)]}, True, "[hologram that is no text: not shown]"),
        ({"content": "x"}, True, "(nothing)"),
        ({}, True, "(nothing)"),
        ({"resultType": "input_required"}, False, "The tool asks for something that only a person can give."),
    ],
)
def test_what_is_read(given: dict[str, Any], ok: bool, shown: str) -> None:
    result = tool_result(given, changes=True)
    assert (result.ok, result.text, result.changed, result.command) == (ok, shown, True, None)


def test_a_long_result_keeps_head_and_tail() -> None:
    shown = tool_result({"content": [text("a" + "x" * 10_000_000 + "z")]}, changes=False).text
    assert len(shown) <= MAX_RESULT
    assert (shown[0], shown[-1]) == ("a", "z")
    assert "characters left out" in shown
