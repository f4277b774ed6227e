"""Which scripted step answers a request: decided from its messages. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from agentbatch.patterns import regex
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall, Step

Role = Literal["coder", "evaluator", "checks"]
"""Who answers; `checks`: the evaluator, when it is asked for checks before the work."""

CHECKS_SCHEMA = "checks"
"""Name of the schema by which checks are asked for."""

CHECKS_QUESTION = regex(
    r"\AWrite (acceptance checks for this task|\w+ assert lines|the Python functions?)\b"
    r"|^Do not do this task\. Write \w+ assert lines\b",
    re.MULTILINE,
)
"""In a question for checks that has no schema."""

ITERATION = regex(r"\bIteration (\d{1,6}) of \d{1,6}\b")
"""How the evidence names the iteration."""

CALL_ID = regex(r"call_step(\d{1,6})_\d+")
"""The ids of scripted calls contain their step, so that it is known even after compaction."""

SUMMED = regex(r"Steps of the script done: (\d{1,6})\.")
"""In a summary that takes the place of a conversation, by `summary`."""

DONE = "Done."
"""The coder's summary after its last scripted step."""


class RoleStep(NamedTuple):
    """One step of a role: answers that only the first requests get, then the permanent one."""

    limited: tuple[Step, ...]
    answer: Say


class RoleSteps(NamedTuple):
    """A role's steps in order; the last one also answers all later requests."""

    steps: tuple[RoleStep, ...]

    def at(self, step: int) -> tuple[int, RoleStep]:
        index = min(step, len(self.steps) - 1)
        return index, self.steps[index]


def compile_coder(steps: Sequence[Step], *, flat: bool) -> RoleSteps:
    """The coder's steps, with a call of finish at the end.

    `flat`: for requests without native tools. A reply then has one call, so a step with several calls becomes several.
    """
    closing = Say(calls=[ScriptedCall(name="finish", arguments={"summary": DONE})])
    return RoleSteps(tuple(_steps(_flatten(steps) if flat else steps, closing)))


def compile_checks(steps: Sequence[Step]) -> RoleSteps:
    """The evaluator's answers when it is asked for checks: the last one repeats."""
    return compile_evaluator(steps) or RoleSteps(tuple(_steps(steps, Say(checks=[]))))


def asks_for_checks(body: Mapping[str, Any]) -> bool:
    """The request is for checks that are written before the work."""
    form = body.get("response_format")
    named = form.get("json_schema") if isinstance(form, dict) else None
    if isinstance(named, dict) and named.get("name") == CHECKS_SCHEMA:
        return True
    first = next((m for m in body["messages"] if m.get("role") == "user"), None)
    return first is not None and CHECKS_QUESTION.search(text_of(first)) is not None


def answers_given(messages: Sequence[Mapping[str, Any]]) -> int:
    """The step of a role that starts each conversation anew: how many answers are in it."""
    return sum(message.get("role") == "assistant" for message in messages)


def compile_evaluator(steps: Sequence[Step]) -> RoleSteps | None:
    """The evaluator's steps, of which the last repeats; None for a script without a permanent answer."""
    last = next((s for s in reversed(steps) if isinstance(s, Say) and s.times is None), None)
    if last is None:
        return None
    return RoleSteps(tuple(_steps(steps, last)))


def _steps(steps: Iterable[Step], closing: Say) -> Iterator[RoleStep]:
    limited: list[Step] = []
    for step in steps:
        if isinstance(step, Fault) or step.times is not None:
            limited.append(step)
        else:
            yield RoleStep(tuple(limited), step)
            limited = []
    yield RoleStep(tuple(limited), closing)


def _flatten(steps: Sequence[Step]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Say) and len(step.calls) > 1:
            for number, call in enumerate(step.calls):
                # Text, reasoning and delay go with the first call.
                first = number == 0
                yield step.model_copy(
                    update={"calls": [call], "delay": step.delay if first else 0.0}
                    | ({} if first else {"content": "", "reasoning": ""})
                )
        else:
            yield step


def apart(steps: Sequence[Step]) -> Iterator[Step]:
    """For agents, which run the calls of one answer at once: a call a step, but where they only write new files."""
    for step in steps:
        calls = step.calls if isinstance(step, Say) else []
        paths = set(filter(None, map(_written, calls)))
        if len(paths) == len(calls):
            yield step
        else:
            yield from _flatten([step])


def _written(call: ScriptedCall) -> str:
    """The path of the file that it writes; empty: it does something else."""
    given = call.arguments if call.name == "write_file" and isinstance(call.arguments, dict) else {}
    return str(given.get("path", ""))


def text_of(message: Mapping[str, Any]) -> str:
    """A message's text, even if its content is a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""


def coder_step(messages: Sequence[Mapping[str, Any]], start: int) -> int:
    """The coder's step: the number of assistant messages after the prompt at `start`.

    Compaction removes some of them; the step in the last scripted call's id makes up for it, or the summary.
    """
    after = 0
    for message in reversed(messages[start:]):
        if message.get("role") != "assistant":
            if summed := SUMMED.search(text_of(message)):
                return int(summed[1]) + after
            continue
        marked = _marked_step(message)
        if marked is not None:
            return marked + 1 + after
        after += 1
    return after


def summary(prompt: str, step: int) -> str:
    """What an agent is told that asks for a summary of its conversation: enough to find script and step by."""
    return f"{prompt}\n\nSteps of the script done: {step}."


def begun_with(messages: Sequence[Mapping[str, Any]], start: int, text: str) -> bool:
    """Whether the latest first step after the prompt at `start` said this."""
    said = (
        m for m in reversed(messages[start + 1 :]) if m.get("role") == "assistant" and _marked_step(m) == 0
    )
    return text_of(next(said, {})) == text


def _marked_step(message: Mapping[str, Any]) -> int | None:
    calls = message.get("tool_calls")
    if not isinstance(calls, list) or not calls or not isinstance(calls[-1], dict):
        return None
    found = CALL_ID.fullmatch(str(calls[-1].get("id")))
    return int(found[1]) if found else None


UNDONE = ("Interrupted:", "Not run:")
"""How the result of an interrupted tool call begins."""


def undone_calls(messages: Sequence[Mapping[str, Any]]) -> tuple[ScriptedCall, ...]:
    """The interrupted calls of the latest reply, unchanged: a careful model repeats them.

    Scripts for interrupted runs need calls that may be made twice.
    """
    undone = set()
    for message in reversed(messages):
        if message.get("role") == "tool":
            if text_of(message).startswith(UNDONE):
                undone.add(message.get("tool_call_id"))
        elif message.get("role") == "assistant":
            calls = message.get("tool_calls")
            return tuple(
                ScriptedCall(name=call["function"]["name"], arguments=call["function"]["arguments"])
                for call in (calls if isinstance(calls, list) else ())
                if call.get("id") in undone
            )
        else:
            break
    return ()


def next_look(say: Say, messages: Sequence[Mapping[str, Any]], *, native: bool) -> Say:
    """What an evaluator says that looks for itself first: its calls one after another, then the rest. Without tools it
    cannot look."""
    if not say.calls:
        return say
    looked = answers_given(messages)
    if native and looked < len(say.calls):
        return say.model_copy(update={"calls": [say.calls[looked]], "verdict": None})
    return say.model_copy(update={"calls": []})


def evaluator_step(messages: Sequence[Mapping[str, Any]]) -> int:
    """The evaluator's step: the first iteration that a user message names, minus one."""
    for message in messages:
        if message.get("role") == "user":
            found = ITERATION.search(text_of(message))
            if found:
                return max(0, int(found[1]) - 1)
    return 0


def is_evaluation(messages: Sequence[Mapping[str, Any]]) -> bool:
    """A user message is evidence."""
    return any(
        message.get("role") == "user" and ITERATION.match(text_of(message)) is not None
        for message in messages
    )


class Match(NamedTuple):
    """The script that a request belongs to."""

    script: Script
    start: int
    """Index of the message with the prompt."""
    task: str
    """Distinguishes tasks that share a script: the prompt's line."""


class Index:
    """Finds a request's script: a lookup for the coder's, 0.8 ms among 200 for the evaluator's."""

    def __init__(self) -> None:
        self._whole: dict[str, Script] = {}
        self._all: list[Script] = []
        self._prefixes: list[Script] = []
        """Longest first."""

    def add(self, script: Script) -> None:
        if script.match == "prefix":
            self._prefixes.append(script)
            self._prefixes.sort(key=_longest_first)
        else:
            self._whole[script.prompt] = script
        self._all.append(script)
        self._all.sort(key=_longest_first)

    def find(self, messages: Sequence[Mapping[str, Any]]) -> Match | None:
        """The script whose prompt equals a user message; else the one with the longest prompt inside a message."""
        for start, message in enumerate(messages):
            if message.get("role") == "user":
                text = text_of(message)
                begins = (script for script in self._prefixes if text.startswith(script.prompt))
                script = self._whole.get(text) or next(begins, None)
                if script:
                    return Match(script, start, _first_line(text))
        return self._inside([text_of(message) for message in messages])

    def _inside(self, texts: Sequence[str]) -> Match | None:
        for script in self._all:
            for place, text in enumerate(texts):
                at = text.find(script.prompt)
                if at >= 0:
                    return Match(script, place, _first_line(text[at:]))
        return None


def _longest_first(script: Script) -> int:
    return -len(script.prompt)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].strip()
