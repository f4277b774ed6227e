"""Arguments of calls as gateways and servers spoil them."""

import json
import time

import pytest

from agentbatch.model.answer.call_arguments import call_arguments

LS = '{"command": "ls"}'


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        (LS, LS),
        ("{}", "{}"),
        (json.dumps(LS), LS),
        (json.dumps(json.dumps(LS)), LS),
        ("{}" + LS, LS),
        (LS + LS, LS),
        (LS + "\n" + LS + "{}", LS),
        ("{}{}", "{}"),
        (f"```json\n{LS}\n```", LS),
        (f"```\n{LS}\n```", LS),
        (LS + "\n</tool_call>", LS),
        (LS + "<|call|>", LS),
        ('{"command": "a\nb"}', '{"command": "a\\nb"}'),
        # Which one is meant is not certain, or it is no object.
        (LS + '{"command": "cat x"}', None),
        (LS + " and so on", None),
        ('{"command": "l', None),
        ('{}{"command": "l', None),
        ('"ls"', None),
        ("[]", None),
        ("7", None),
        ('{"a":' * 50_000, None),
        ("{}" * 100_000, None),
    ],
)
def test_what_the_arguments_were(raw: str, arguments: str | None) -> None:
    before = time.process_time()
    assert call_arguments(raw) == (raw if arguments is None else arguments)
    assert time.process_time() - before < 5
