"""pydantic's errors in the words of who wrote the document."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentbatch.problems import first_problem, hint


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
        ({"count": 0}, "count", "must be greater than or equal to 1"),
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
    assert first_problem(error.value).name == "count"
    assert first_problem(error.value, unknown_first=True).name == "nams"
    assert hint("nams", Document.model_fields) == "did you mean 'names'?"
    assert hint("zzz", ["a", "b"]) == "known keys: a, b."
