import json
import time

import pytest

from agentbatch.toolcalls.json_calls import MAX_CALLS, find_calls

NAMES = frozenset({"bash", "write_file", "finish"})
LS = ("bash", '{"command": "ls"}')


@pytest.mark.parametrize(
    ("text", "calls", "prose"),
    [
        ('{"tool": "bash", "arguments": {"command": "ls"}}', [LS], ""),
        ('  {"tool":"bash","arguments":{"command":"ls"}}  \n', [LS], ""),
        ('{\n  "name": "bash",\n  "parameters": {\n    "command": "ls"\n  }\n}', [LS], ""),
        ('I look.\n\n```json\n{"name": "bash", "arguments": {"command": "ls"}}\n```', [LS], "I look."),
        ('I look.\n```\n{"name": "bash", "arguments": {"command": "ls"}}\n```\n', [LS], "I look."),
        ('I look.\n{"name": "bash", "arguments": {"command": "ls"}}', [LS], "I look."),
        ('<tool_call>\n{"name": "bash", "arguments": {"command": "ls"}}\n</tool_call>', [LS], ""),
        ('Now:\n<tool_call>{"name": "bash", "arguments": {"command": "ls"}}</tool_call>', [LS], "Now:"),
        ('<tool_call>{"name":"bash","arguments":{"command":"ls"}}</tool_call>' * 2, [LS, LS], ""),
        ('<|python_tag|>{"name": "bash", "parameters": {"command": "ls"}}<|eom_id|>', [LS], ""),
        ('[TOOL_CALLS][{"name": "bash", "arguments": {"command": "ls"}}]', [LS], ""),
        ('{"tool_calls": [{"name": "bash", "arguments": {"command": "ls"}, "id": "1"}]}', [LS], ""),
        ('{"function": {"name": "bash", "arguments": "{\\"command\\": \\"ls\\"}"}}', [LS], ""),
        (
            '<think>{"tool": "finish", "arguments": {}}</think>{"tool":"bash","arguments":{"command":"ls"}}',
            [LS],
            '<think>{"tool": "finish", "arguments": {}}</think>',
        ),
        (
            '{"tool":"bash","arguments":{"command":"ls"}}\n{"tool":"finish","arguments":{"summary":"done"}}',
            [LS, ("finish", '{"summary": "done"}')],
            "",
        ),
        ('{"tool": "finish", "arguments": {"summary": "a\nb"}}', [("finish", '{"summary": "a\\nb"}')], ""),
        ('{"tool": "finish", "arguments": {}}', [("finish", "{}")], ""),
        # Qwen2.5-Coder: two braces for one, and tags of its prompt.
        ('{{"name": "bash", "arguments": {"command": "ls"}}}', [LS], ""),
        ('```json\n{{"name": "bash", "arguments": {"command": "ls"}}}\n```', [LS], ""),
        ('<tools>\n{"name": "bash", "arguments": {"command": "ls"}}\n</tools>', [LS], ""),
        ('<tool>\n{"name": "bash", "arguments": {"command": "ls"}}\n</tool>', [LS], ""),
        ('I look.\n<tools>\n{{"name": "bash", "arguments": {"command": "ls"}}}\n</tools>', [LS], "I look."),
        # The arguments beside the name.
        ('{"tool": "bash", "command": "ls"}', [LS], ""),
    ],
)
def test_calls_in_text_are_found(text: str, calls: list[tuple[str, str]], prose: str) -> None:
    found = find_calls(text, NAMES)
    assert found is not None
    assert list(found.calls) == calls
    assert found.prose == prose
    assert found.ends_with_call


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Done.",
        "The tool bash was called.",
        'You could write {"tool": "bash", "arguments": {"command": "ls"}} to see the files.',
        '{"tool": "bash", "arguments": {"command": "ls"}} is how a call looks.',
        '```python\n{"tool": "bash", "arguments": {"command": "ls"}}\n```',
        '```text\n{"tool": "bash", "arguments": {"command": "ls"}}\n```',
        '<think>{"tool": "bash", "arguments": {"command": "ls"}}</think>\nAll done.',
        '{"tool": "rm", "arguments": {"path": "/"}}',
        '{"tool": "bash", "arguments": "ls"}',
        '{"tool": "bash", "arguments": ["ls"]}',
        '{"tool": "bash"}',
        '{"name": "bash", "command": "ls"}',
        '{{"name": "bash", "arguments": {"command": "ls"}}',
        '{{"name": "bash", "arguments": {"command": "ls"}} }',
        '{{"name": "bash"}}',
        '{"tool": ["bash"], "arguments": {}}',
        '{"complete": true, "score": 1.0}',
        '["bash", {"command": "ls"}]',
        '[{"name": "bash", "arguments": {}}, {"name": "unknown", "arguments": {}}]',
        '{"tool": "bash", "arguments": {"command": "ls"}',
        '{"example": \n{"tool": "bash", "arguments": {"command": "ls"}}\n}',
        # The inside of a call whose own JSON is broken is file content, not calls.
        '{"tool": "write_file", "arguments": {"content": "a "quote"\n{"tool": "bash", "arguments": {}}\n"}}',
        "{" * 50_000,
    ],
)
def test_what_only_looks_like_a_call_is_none(text: str) -> None:
    assert find_calls(text, NAMES) is None


def test_json_inside_arguments_is_content() -> None:
    content = '# Calls\n```json\n{"tool": "bash", "arguments": {"command": "rm -rf ."}}\n```\n'
    action = {"tool": "write_file", "arguments": {"path": "README.md", "content": content}}
    for text in (json.dumps(action), json.dumps(action, indent=2), f"```json\n{json.dumps(action)}\n```"):
        found = find_calls(text, NAMES)
        assert found is not None
        assert [name for name, _ in found.calls] == ["write_file"]
        assert json.loads(found.calls[0][1])["content"] == content


@pytest.mark.parametrize("tail", ["\nThis lists the files.", "\n```\nSo much for the syntax."])
def test_words_after_the_last_call_are_noticed(tail: str) -> None:
    found = find_calls('{"tool": "bash", "arguments": {"command": "ls"}}' + tail, NAMES)
    assert found is not None
    assert not found.ends_with_call


def test_a_reply_without_end_is_cut() -> None:
    found = find_calls('{"tool": "bash", "arguments": {}}\n' * 5000, NAMES)
    assert found is not None
    assert len(found.calls) == MAX_CALLS


@pytest.mark.parametrize("text", ["{\n" * 400_000, '{"a": "\n' * 200_000, "[1,\n" * 300_000])
def test_hostile_text_takes_no_quadratic_time(text: str) -> None:
    before = time.process_time()
    assert find_calls(text, NAMES) is None
    assert time.process_time() - before < 5, "without a limit this takes minutes"
