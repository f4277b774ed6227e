"""Who attacks, and what: the sandbox as root and as a user without rights."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentbatch.workspace.sandbox.sandbox import SandboxChoice, choose_sandbox
from tests.support.red_team import NOBODY, BuildHouse, House, as_user, build_house, hand_over, remove_house


@pytest.fixture(scope="session")
def bubblewrap() -> SandboxChoice:
    choice = choose_sandbox("auto")
    if choice.name == "none":
        pytest.skip(choice.warning)
    return choice


@pytest.fixture(scope="module", params=["as we are", "as a user"])
def user(request: pytest.FixtureRequest) -> int | None:
    """As whom the attacker's commands run; None: as this process does."""
    if request.param == "as we are":
        return None
    if os.geteuid() != 0:
        pytest.skip("the tests run as a user already")
    choice = as_user(NOBODY, lambda: choose_sandbox("auto"))
    if choice.name == "none":
        pytest.skip(f"as a user without rights: {choice.warning}")
    return NOBODY


@pytest.fixture(scope="module")
def build(user: int | None) -> Iterator[BuildHouse]:
    """Houses that belong to that user; gone after the module. Not in pytest's folder, which is for its owner alone, and
    where we may not in a tree that every sandbox hides."""
    made: list[House] = []
    base = "/var/lib" if os.access("/var/lib", os.W_OK) else None

    def build_one(root: str = "home/project/tasks/a") -> House:
        house = build_house(Path(tempfile.mkdtemp(prefix="agentbatch-house-", dir=base)).resolve(), root)
        made.append(house)
        if user is not None:
            hand_over(house.folder, user)
        return house

    yield build_one
    for house in made:
        remove_house(house)
