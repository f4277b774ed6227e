"""Input lines from a template: one for every combination of values, every row of a file, or both."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentbatch.errors import UserError
from agentbatch.problems import Problem, all_problems, hint, in_one
from agentbatch.requests.spec.make_values import Values, combinations, read_text
from agentbatch.requests.spec.request import MAX_ID
from agentbatch.requests.spec.structured import read_schema
from agentbatch.templates import PromptEnvironment
from agentbatch.text import clip

MAX_REQUESTS = 1_000_000
"""Requests of one file."""

FENCE = "+++"
"""A template may begin with settings in TOML between two lines of this."""

_ENVIRONMENT = PromptEnvironment()


class PromptSettings(BaseModel):
    """What one kind of request asks for besides its prompt: the head of a template, or flags, which win."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str | None = None
    """A template too."""
    model: str | None = Field(None, min_length=1)
    temperature: float | None = Field(None, ge=0)
    max_tokens: int | None = Field(None, ge=1)
    json_schema: str | None = None
    """A file with a JSON schema, beside the template."""
    id: str | None = None
    """A template too."""


@dataclass(frozen=True)
class Prompt:
    """A prompt file: its settings and its text."""

    path: Path
    text: str
    settings: PromptSettings = field(default_factory=PromptSettings)


@dataclass(frozen=True)
class Recipe:
    """All that the lines are made of."""

    prompt: Prompt
    settings: PromptSettings
    """Those of the prompt with the flags' over them."""
    lists: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    rows: Sequence[Values] = ()
    """Empty: no rows, only combinations."""
    count: int = 1
    """Requests for each combination and row."""

    @property
    def size(self) -> int:
        """Requests in all."""
        size = self.count * max(1, len(self.rows))
        for values in self.lists.values():
            size *= len(values)
        return size

    @property
    def id_pattern(self) -> str:
        """The pattern that was given, else what distinguishes the requests."""
        if self.settings.id:
            return self.settings.id
        names = [*self.lists]
        if self.rows:
            names.insert(0, "id" if all("id" in row for row in self.rows) else "number")
        if self.count > 1 or not names:
            names.append("n")
        return "-".join(f"{{{{ {name} }}}}" for name in dict.fromkeys(names))


def read_prompt(path: Path) -> Prompt:
    """A prompt file. Raises UserError for settings that are wrong."""
    text = read_text(path)
    lines = text.split("\n")
    if lines[0].strip() != FENCE:
        return Prompt(path, text)
    end = next((place for place, line in enumerate(lines[1:], 1) if line.strip() == FENCE), None)
    if end is None:
        raise UserError(f"{path}: the settings at its head have no end: a second line {FENCE} is missing.")
    try:
        settings = PromptSettings.model_validate(tomllib.loads("\n".join(lines[1:end])))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}, the settings at its head: {clip(str(error), 200)}.") from None
    except ValidationError as error:
        sentences = [_sentence(problem) for problem in all_problems(error)]
        raise UserError(in_one(f"{path}, the settings at its head", sentences)) from None
    # As many lines as before, so that an error names the right one.
    return Prompt(path, "\n" * (end + 1) + "\n".join(lines[end + 1 :]), settings)


def _sentence(problem: Problem) -> str:
    if problem.kind == "extra_forbidden":
        return (
            f"unknown setting {problem.name}; {hint(problem.name, PromptSettings.model_fields, 'there are')}"
        )
    return f"{problem.name}: {problem.told(lambda given: repr(str(given)[:40]))}."


def make(recipe: Recipe) -> Iterator[str]:
    """The input lines, JSON without a line end. Raises UserError naming the request that cannot be made."""
    if recipe.size > MAX_REQUESTS:
        raise UserError(
            f"{recipe.size:,} requests: at most {MAX_REQUESTS:,} are made at once. Is a list too long?"
        )
    _check_names(recipe)
    settings = recipe.settings
    prompt = _compiled(recipe.prompt.text, str(recipe.prompt.path))
    system = _compiled(settings.system, "the system message") if settings.system else None
    name = _compiled(recipe.id_pattern, f"the id {recipe.id_pattern!r}")
    fixed = _fixed(recipe)
    seen: dict[str, int] = {}
    for number, values in enumerate(_all(recipe), 1):
        values = {**values, "number": number}
        where = f"request {number} ({_shown(values)})"
        request_id = _rendered(name, values, f"{where}, its id")
        first = seen.setdefault(request_id, number)
        if first != number:
            raise UserError(
                f"{where}: request {first} has the id {clip(request_id, 60)!r} already. Make ids differ with --id; it "
                f"may name {', '.join(values)}."
            )
        if len(request_id) > MAX_ID:
            raise UserError(f"{where}: its id has more than {MAX_ID} characters; give a shorter --id.")
        line = {"id": request_id, "prompt": _rendered(prompt, values, where)}
        if system is not None:
            line["system"] = _rendered(system, values, f"{where}, the system message")
        yield json.dumps({**line, **fixed}, ensure_ascii=False)


def _all(recipe: Recipe) -> Iterator[dict[str, Any]]:
    for row in recipe.rows or ({},):
        for values in combinations(recipe.lists):
            for n in range(1, recipe.count + 1):
                yield {**row, **values, "n": n}


def _check_names(recipe: Recipe) -> None:
    """A name that is a list's and a column's would hide one of them."""
    columns = {name for row in recipe.rows for name in row}
    both = sorted(columns & recipe.lists.keys())
    if both:
        raise UserError(
            f"{clip(', '.join(both), 200)}: a column of the rows and a list have this name; rename one."
        )


def _fixed(recipe: Recipe) -> dict[str, Any]:
    """What all requests say alike."""
    settings = recipe.settings
    fixed = settings.model_dump(include={"model", "temperature", "max_tokens"}, exclude_none=True)
    if settings.json_schema:
        path = recipe.prompt.path.parent / settings.json_schema
        fixed["json_schema"] = read_schema(path, str(path))
    return fixed


def _compiled(text: str, where: str) -> Template:
    try:
        return _ENVIRONMENT.from_string(text)
    except TemplateSyntaxError as error:
        raise UserError(f"{where}, line {error.lineno}: {error.message}.") from None


def _rendered(template: Template, values: Values, where: str) -> str:
    try:
        text = template.render(values).strip()
    except (
        TemplateError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        known = ", ".join(clip(name, 40) for name in values)
        raise UserError(f"{where}: {clip(str(error), 200)}. It may use {known}.") from None
    if not text:
        raise UserError(f"{where}: nothing is left of the template.")
    return text


def _shown(values: Values) -> str:
    return clip(", ".join(f"{name}={value}" for name, value in values.items() if name != "number"), 120)
