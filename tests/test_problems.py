"""pydantic's errors in the words of who wrote the document."""

import re
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentbatch.config import Settings
from agentbatch.config.requests_settings import RequestsSettings
from agentbatch.problems import Problem, all_problems, first_problem, hint, in_one
from agentbatch.requests.spec.make import PromptSettings
from agentbatch.tasks.agents.definition import EvaluatorDefinition
from agentbatch.tasks.coders.builtin.definition import CoderDefinition
from agentbatch.tasks.spec.generated.foreach import Foreach
from agentbatch.tasks.spec.task import Task


class Inner(BaseModel):
    name: str


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int = Field(1, ge=1)
    share: float = 0.5
    on: bool = True
    names: list[str] = []
    inner: list[Inner] = []
    table: dict[str, int] = {}


@pytest.mark.parametrize(
    ("document", "name", "message"),
    [
        ({"count": "many"}, "count", "must be a whole number"),
        ({"count": 0}, "count", "must be 1 or more"),
        ({"share": "half"}, "share", "must be a number"),
        ({"on": "maybe"}, "on", "must be true or false"),
        ({"names": "a"}, "names", "must be a list"),
        ({"names": ["a", 1]}, "names[1]", "must be text"),
        ({"inner": [{"name": "a"}, {"name": 2}]}, "inner[1].name", "must be text"),
        ({"inner": [3]}, "inner[0]", "must be an object"),
        ({"table": 3}, "table", "must be an object"),
        (3, "", "must be an object"),
    ],
)
def test_what_is_wrong_and_where(document: Any, name: str, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        Document.model_validate(document)
    found = first_problem(error.value)
    assert (found.name, found.message) == (name, message)


def test_an_unknown_name_explains_the_others() -> None:
    with pytest.raises(ValidationError) as error:
        Document.model_validate({"count": "x", "nams": []})
    assert [problem.name for problem in all_problems(error.value)] == ["nams", "count"]
    assert hint("nams", Document.model_fields) == "did you mean 'names'?"
    assert hint("zzz", ["a", "b"]) == "known keys: a, b."


class Named(BaseModel):
    model_config = ConfigDict(extra="forbid")

    first_prompt: str
    dir: str


def test_a_name_with_a_slip_is_not_missing_besides() -> None:
    with pytest.raises(ValidationError) as error:
        Named.model_validate({"frist_prompt": "x"})
    assert [(one.kind, one.name) for one in all_problems(error.value)] == [
        ("extra_forbidden", "frist_prompt"),
        ("missing", "dir"),
    ]


def test_not_x_follows_only_a_rule() -> None:
    def told(message: str) -> str:
        return Problem("value_error", (), "", message, 5).told()

    assert told("must be text") == "must be text, not 5"
    assert told("must not be empty") == "must not be empty"
    assert told("'../x' does not stay inside the directory") == "'../x' does not stay inside the directory"


def test_several_mistakes_are_told_at_once_and_not_too_many() -> None:
    assert in_one("a.json", ["x is missing."]) == "a.json: x is missing."
    assert in_one("a.json", ["x.", "y."]) == "a.json: 2 mistakes:\n  x.\n  y."
    assert in_one("a.json", [f"{n}." for n in range(12)]).splitlines()[-2:] == ["  9.", "  and 2 more."]
    assert in_one("a.json", ["x.", "x."]) == "a.json: x."


WRONG: tuple[Any, ...] = (
    None, "", "x", "1e400", "nan", -1, 0, 1.5, 10**30, float("inf"), float("nan"), True, [], {}, [None], {"a": None},
    [{}], b"\xff", "a:b:c",
)  # fmt: skip
RAW = re.compile(
    r"should|valid |Extra inputs|Field required|pattern|unable to parse|got a number|after validation"
)
"""How pydantic words it."""


@pytest.mark.parametrize(
    "model", [Settings, RequestsSettings, Task, Foreach, EvaluatorDefinition, CoderDefinition, PromptSettings]
)
def test_no_field_of_a_document_or_setting_is_answered_in_the_words_of_pydantic(
    model: type[BaseModel],
) -> None:
    seen = set()
    for field in model.model_fields:
        for value in WRONG:
            try:
                model.model_validate({field: value})
            except ValidationError as error:
                told = [one.message for one in all_problems(error)]
                assert not [text for text in told if RAW.search(text)], (field, value)
                seen |= {*told}
    assert len(seen) > 3
