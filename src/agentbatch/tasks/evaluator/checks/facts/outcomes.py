"""What came of stated examples, and whether that is what was stated. Pure, and at home: what the work's own process has
said is text, compared here where it is a literal."""

import builtins
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCall, StatedCommand
from agentbatch.tasks.evaluator.programs.call_examples import is_literal, literal, same
from agentbatch.workspace.files.diff.file_diff import quoted
from agentbatch.workspace.workspace import CommandResult

NO_FAULT = frozenset({"OSError", "ImportError", "TclError"})
"""Exceptions that tell of the place, and not of the work: a file, a package or a screen that is not there."""
_PLACE = (OSError, ImportError, EOFError)
_NO_FAULT_SAID = ("No module named ", "Cannot find module ", "command not found")
"""What says so in the output of a command."""
_TRACEBACK = "Traceback (most recent call last):"
NOT_STARTED = (126, 127)
"""Exit codes of a shell that could not start a command."""
MAX_VALUE = 2000
"""Characters of a value that is compared here."""
MAX_TOLD = 300
"""Characters of what came out that are told."""


class Outcome(NamedTuple):
    """Of one example."""

    passed: bool
    words: str
    """A sentence, what was stated and what came instead; of one that passed, what it is."""
    weak: bool = False
    """It says little: something was printed, whatever it was, or a command of which nothing is stated crashed."""


def answers(output: str, nonce: str) -> list[Mapping[str, Any]]:
    """What the program that makes the calls has printed."""
    found: list[Mapping[str, Any]] = []
    for line in output.split("\n"):
        if line.startswith(f"{nonce} "):
            try:
                answer = json.loads(line[len(nonce) + 1 :])
            except (ValueError, RecursionError):
                continue
            if isinstance(answer, dict):
                found.append(answer)
    return found


def not_imported(said: Sequence[Mapping[str, Any]]) -> bool:
    """The answers are one: that the module cannot be imported."""
    return bool(said) and said[0].get("import") is True


def of_answers(
    path: str, calls: Sequence[StatedCall], said: Sequence[Mapping[str, Any]], done: CommandResult
) -> list[Outcome]:
    """Of the calls of one module; those of which nothing can be told are left out."""
    if not_imported(said):
        raised = _raised(said[0])
        return [] if raised is None else [Outcome(False, f"{quoted(path)} cannot be imported: {raised}")]
    found = [_of_call(call, answer) for call, answer in zip(calls, said, strict=False)]
    if len(said) < len(calls) and (said or done.exit_code not in NOT_STARTED):
        late = f"it was not over after {done.seconds:.0f} seconds"
        end = late if done.timed_out else "the program was ended by it"
        found.append(Outcome(False, f"{_stated(calls[len(said)])}; {end}"))
    return [outcome for outcome in found if outcome is not None]


def _of_call(call: StatedCall, answer: Mapping[str, Any]) -> Outcome | None:
    if answer.get("missing") is True:
        return None  # The module may not be the one that is meant.
    if "raised" in answer:
        names = answer["raised"] if isinstance(answer["raised"], list) else []
        if call.raises:
            return _passed(call) if call.raises in names else _failed(call, f"raised {_kind(answer)}")
        raised = _raised(answer)
        return None if raised is None else _failed(call, f"raised {raised}")
    shown = answer.get("value")
    gave = f"gave {_cut(shown)}" if isinstance(shown, str) else "gave something else"
    if call.raises:
        return _failed(call, gave)
    if call.printed:
        text = str(answer.get("shown"))
        right = [line.strip() for line in text.strip().split("\n")] == literal(call.expected).split("\n")
        return _passed(call) if right else _failed(call, f"printed {_cut(repr(text))}")
    equal = _equal(call, shown, answer.get("equal"))
    return None if equal is None else _passed(call) if equal else _failed(call, gave)


def _equal(call: StatedCall, shown: object, said: object) -> bool | None:
    """Where what came out is no literal (an iterator), or too long, there is only its own word for it."""
    if isinstance(shown, str) and len(shown) <= MAX_VALUE and is_literal(shown):
        return same(literal(call.expected), literal(shown), call.exact, call.ordered)
    return said if isinstance(said, bool) else None


def _raised(answer: Mapping[str, Any]) -> str | None:
    """The exception; None: it is no fault of the work."""
    names = [str(name) for name in answer["raised"]] if isinstance(answer.get("raised"), list) else []
    return None if not names or NO_FAULT.intersection(names) else _kind(answer)


def _kind(answer: Mapping[str, Any]) -> str:
    raised = answer["raised"]
    name = raised[0] if isinstance(raised, list) and raised else "an exception"
    words = str(answer.get("words") or "")
    return _cut(f"{name}: {words}" if words else str(name))


def of_command(command: StatedCommand, done: CommandResult) -> Outcome | None:
    """Each line that it prints, exactly or as one of others, in their order. Of one that printed them and failed then,
    where no exit code is stated, nothing can be told."""
    if done.exit_code in NOT_STARTED or any(words in done.output for words in _NO_FAULT_SAID):
        return None
    printed = [line.strip() for line in done.output.split("\n")]
    last = next((line for line in reversed(printed) if line), "")
    if last.startswith("EOFError"):
        return None  # It waits for what somebody types.
    if not command.tells:
        crashed = _TRACEBACK in printed
        return (_of_described if command.described else _of_named)(command, done, last, crashed)
    if _all_printed(command, printed):
        return _after_printing(command, done, _TRACEBACK in printed)
    if done.exit_code is None:
        return None  # It may wait for somebody, and what it has printed may not be written out.
    said = _cut(" / ".join(line for line in printed if line)) or "nothing"
    return Outcome(False, f"`{command.command}` should {command.outcome}; it printed {said}")


def _of_described(command: StatedCommand, done: CommandResult, last: str, crashed: bool) -> Outcome | None:
    """Of a command that prints something: silence is wrong where it ended in order."""
    if done.exit_code != 0 or crashed:
        return None
    if last:
        return Outcome(True, f"`{command.command}` prints something: {_cut(last)}", weak=True)
    return Outcome(False, f"`{command.command}` should print what the task says; it printed nothing")


def _of_named(command: StatedCommand, done: CommandResult, last: str, crashed: bool) -> Outcome | None:
    """Of a command of which no more is said than that it is run: only a fault of its own speaks against it."""
    if done.exit_code is None:
        return None
    if not crashed:
        ended = f"`{command.command}` ends with exit code {done.exit_code}"
        return Outcome(True, f"{ended}: {_cut(last)}" if last else f"{ended} and prints nothing", weak=True)
    kind = getattr(builtins, last.partition(":")[0], None)
    if not isinstance(kind, type) or not issubclass(kind, Exception) or issubclass(kind, _PLACE):
        return None
    return Outcome(False, f"`{command.command}` ends in {_cut(last)}", weak=True)


def _all_printed(command: StatedCommand, printed: Sequence[str]) -> bool:
    """`printed`: the lines of its output."""
    if not command.ordered:
        return all(any(_is_line(line.strip(), came) for came in printed) for line in command.lines)
    lines = iter(printed)
    if all(any(_is_line(line.strip(), came) for came in lines) for line in command.lines):
        return True
    return command.listed and _in_turn([line.strip() for line in command.lines], "\n".join(printed))


def _in_turn(words: Sequence[str], text: str) -> bool:
    """They stand in it one after another, as words of their own. The first place of each will do, so that none is gone
    back to: one expression for all takes time to the power of their number."""
    at = 0
    for word in words:
        found = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)").search(text, at)
        if found is None:
            return False
        at = found.end()
    return True


def _after_printing(command: StatedCommand, done: CommandResult, crashed: bool) -> Outcome | None:
    """Of a command that has printed what it should."""
    stated, code = command.exit_code, done.exit_code
    if stated is not None and code is not None and code != stated:
        came = f"it {'printed that, and then ' if command.lines else ''}ended with exit code {code}"
        also = f" and exit with {stated}" if command.lines else ""
        return Outcome(False, f"`{command.command}` should {command.outcome}{also}; {came}")
    failed = crashed or (code is not None and code != (stated or 0)) or (not command.lines and code is None)
    verb, _, rest = command.outcome.partition(" ")
    return None if failed else Outcome(True, f"`{command.command}` {verb}s {rest}")


def _is_line(stated: str, came: str) -> bool:
    """It may stand after a question for input, or a label."""
    return came == stated or came.endswith((f": {stated}", f"> {stated}", f"? {stated}", f":{stated}"))


def absent(path: str, name: str) -> Outcome:
    """A name that the examples call is nowhere."""
    return Outcome(False, f"{quoted(path)} has no `{name}`, which the examples of the task call")


def _passed(call: StatedCall) -> Outcome:
    does = {"give": "gives", "raise": "raises", "print": "prints"}
    verb, _, rest = call.outcome.partition(" ")
    return Outcome(True, f"`{call.call}` {does[verb]} {rest}")


def _failed(call: StatedCall, came: str) -> Outcome:
    return Outcome(False, f"{_stated(call)}; it {came}")


def _stated(call: StatedCall) -> str:
    return f"`{call.call}` should {call.outcome}"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TOLD else f"{text[:MAX_TOLD]}…"
