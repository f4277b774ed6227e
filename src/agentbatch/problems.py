"""What pydantic finds wrong in a document, in the words of the person who wrote it."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from agentbatch.text import nearest

_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_sub_type": "must be text",
    "string_unicode": "must be text",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "mapping_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "path_type": "must be a path",
    "value_error": "{error}",
    "assertion_error": "{error}",
}
"""By pydantic's type of an error, with its context filled in. What a document, a flag or a variable can be wrong in is
here; a test goes through the fields that there are."""

MAX_PROBLEMS = 10
"""That are told at once."""


class Problem(NamedTuple):
    """One thing that is wrong."""

    kind: str
    """pydantic's type of it: `missing`, `extra_forbidden`, `value_error`..."""
    location: tuple[int | str, ...]
    name: str
    """Where, as `tasks[3].dir`; empty: the whole document."""
    message: str
    """Plain words without a full stop: `must be a whole number`."""
    given: Any

    def told(self, show: Callable[[Any], str] = repr) -> str:
        """The message, and what was given instead, where it is a rule that `not X` can follow."""
        rule = self.message.startswith("must ") and not self.message.startswith("must not ")
        return f"{self.message}, not {show(self.given)}" if rule else self.message


def all_problems(error: ValidationError) -> list[Problem]:
    """All that is wrong, unknown names first: others follow from them. A missing name that looks like an unknown one
    beside it is not told."""
    found = [_problem(dict(one)) for one in error.errors(include_url=False)]
    unknown = [p for p in found if p.kind == "extra_forbidden"]

    def explained(problem: Problem) -> bool:
        *above, last = problem.location or ("",)
        return problem.kind == "missing" and any(
            [*other.location[:-1]] == above and nearest(str(other.location[-1]), [str(last)])
            for other in unknown
        )

    return unknown + [p for p in found if p.kind != "extra_forbidden" and not explained(p)]


def first_problem(error: ValidationError) -> Problem:
    return all_problems(error)[0]


def _problem(found: Mapping[str, Any]) -> Problem:
    kind, location = str(found["type"]), tuple(found["loc"])
    return Problem(kind, location, path_name(location), _message(kind, found), found["input"])


def _message(kind: str, found: Mapping[str, Any]) -> str:
    context = {name: _figure(value) for name, value in found.get("ctx", {}).items()}
    if kind in ("string_too_short", "too_short"):
        least = found.get("ctx", {}).get("min_length", 1)
        return "must not be empty" if least == 1 else f"must have {least} or more"
    if kind in _WORDS:
        return _WORDS[kind].format(**context)
    return re.sub(r"^(Input|Value|String) should", "must", str(found["msg"]))


def _figure(value: object) -> object:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.12g}" if isinstance(value, float) else value


def in_one(where: str, sentences: Sequence[str]) -> str:
    """One mistake as a line, several below each other. `where`: the file, or what else they are in. What is wrong in
    two places in the same words, as a setting of both roles, is told once."""
    sentences = [*dict.fromkeys(sentences)]
    if len(sentences) == 1:
        return f"{where}: {sentences[0]}"
    shown = [f"  {sentence}" for sentence in sentences[:MAX_PROBLEMS]]
    more = len(sentences) - len(shown)
    return "\n".join(
        [f"{where}: {len(sentences)} mistakes:", *shown, *([f"  and {more} more."] if more else [])]
    )


def path_name(location: Collection[int | str]) -> str:
    """As `tasks[3].dir`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def hint(name: object, known: Collection[str], what: str = "known keys") -> str:
    """For an unknown name: `did you mean 'dir'?`, else all that are known."""
    close = nearest(str(name), known)
    return f"did you mean {close!r}?" if close else f"{what}: {', '.join(known)}."
