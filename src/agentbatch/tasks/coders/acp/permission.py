"""What an agent that asks for leave is answered: at once, by a rule, by no person. Pure."""

from collections.abc import Mapping
from typing import Any

ALLOWING = ("allow_once", "allow_always")
REFUSING = ("reject_once", "reject_always")


def answer_permission(params: Mapping[str, Any], *, allow: bool) -> dict[str, Any]:
    """The result for `session/request_permission`: the option that allows this once, or refuses it; where there is none
    of that kind, that the question was given up."""
    given = params.get("options")
    options = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    for kind in ALLOWING if allow else REFUSING:
        for option in options:
            if option.get("kind") == kind and isinstance(option.get("optionId"), str):
                return {"outcome": {"outcome": "selected", "optionId": option["optionId"]}}
    return {"outcome": {"outcome": "cancelled"}}
