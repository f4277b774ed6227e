"""How calls of one file's functions are made in a workspace, and what was answered, whatever it is written in. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentbatch.tasks.evaluator.checks.facts.outcomes import answers
from agentbatch.tasks.evaluator.checks.facts.scripts import is_script, of_script, script_command
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCall
from agentbatch.tasks.evaluator.programs.program import as_json, command


def calls_command(nonce: str, path: str, calls: Sequence[StatedCall]) -> str:
    """The command line; all run in one process, in their order."""
    if is_script(path):
        return script_command(nonce, path, calls)
    argument = {"nonce": nonce, "path": path, "calls": [_given(call) for call in calls]}
    return command("call_examples.py", as_json(argument))


def calls_answers(path: str, calls: Sequence[StatedCall], output: str, nonce: str) -> list[Mapping[str, Any]]:
    """What it has printed, in the order of the calls."""
    said = answers(output, nonce)
    return of_script(said, calls) if is_script(path) else said


def _given(call: StatedCall) -> dict[str, Any]:
    expected = "" if call.printed else call.expected
    given = {"call": call.call, "function": call.function, "expected": expected}
    return {**given, "exact": call.exact, "ordered": call.ordered}
