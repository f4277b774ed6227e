"""Out of a container, as root inside it."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.containers import podman, turn_inside
from tests.support.escapes import CONTAINER, FROM_ABOVE, MACHINE, READING
from tests.support.red_team import (
    KEY,
    Attempt,
    BuildHouse,
    House,
    Outcome,
    build_house,
    differences,
    remove_house,
)

pytestmark = pytest.mark.slow

# HOME is a folder of the container's own there.
INSIDE = [
    one._replace(command=f"HOME=$OWNER_HOME\n{one.command}") for one in (*READING, *MACHINE, *CONTAINER)
]


@pytest.fixture(scope="module")
def build() -> Iterator[BuildHouse]:
    """Houses of ours: the engine runs as we do."""
    made: list[House] = []
    base = "/var/lib" if os.access("/var/lib", os.W_OK) else None

    def build_one(root: str = "home/project/tasks/a") -> House:
        made.append(build_house(Path(tempfile.mkdtemp(prefix="agentbatch-house-", dir=base)).resolve(), root))
        return made[-1]

    yield build_one
    for house in made:
        remove_house(house)


@pytest.fixture(scope="module")
def inside(build: BuildHouse) -> tuple[House, list[dict[str, Outcome]]]:
    podman()
    house = build()
    before = house.seal()
    done = asyncio.run(turn_inside(house, INSIDE, turns=2))
    after = house.seal()
    assert [one for one in differences(before, after) if not one.startswith(("container", "outputs"))] == []
    return house, done


@pytest.mark.parametrize("attempt", INSIDE, ids=lambda a: a.name)
def test_nothing_gets_out(attempt: Attempt, inside: tuple[House, list[dict[str, Outcome]]]) -> None:
    house, done = inside
    for turn in done:
        assert KEY not in turn[attempt.name].output
        assert "wrote" not in turn[attempt.name].output.split(), turn[attempt.name].output
    assert house.proofs() == []


@pytest.mark.parametrize("root", ["home", "home/project"])
def test_no_key_is_read_where_it_lies_in_the_task_s_own_directory(build: BuildHouse, root: str) -> None:
    podman()
    house = build(root)
    attempts = [one._replace(command=f"HOME=$OWNER_HOME; cd $PROJECT\n{one.command}") for one in FROM_ABOVE]
    for done in asyncio.run(turn_inside(house, attempts, turns=2)):
        assert [name for name, outcome in done.items() if KEY in outcome.output] == []
        assert len(done) == len(FROM_ABOVE)
    assert all(place.is_file() for place in house.env_files)


@pytest.fixture
def in_tmp() -> Iterator[House]:
    """A directory that lies in /tmp, which a container has for itself."""
    house = build_house(Path(tempfile.mkdtemp(prefix="agentbatch-house-", dir="/tmp")).resolve())
    yield house
    remove_house(house)


MOVED = [
    Attempt(
        "rename-a-folder-above",
        "top=/tmp/$(basename $HOUSE); mv $top /tmp/else; ln -s /etc $top; mkdir /tmp/x",
    ),
    Attempt(
        "fill-the-folder-above",
        'cd $HOUSE && touch a .b "-rf" && mkdir -p c/d && ln -s / root && mkfifo pipe',
    ),
]


@pytest.mark.parametrize("attempt", MOVED, ids=lambda a: a.name)
def test_the_directory_is_where_it_was_also_below_tmp(in_tmp: House, attempt: Attempt) -> None:
    podman()
    look = Attempt(
        "look", "cat $PROJECT/tasks/a/work.txt; ls -A $HOUSE; ls -A /tmp; touch $PROJECT/tasks/a/there"
    )
    before = in_tmp.seal()
    for one in asyncio.run(turn_inside(in_tmp, [look, attempt], "small", turns=3)):
        shown = one["look"].output.split()
        assert shown[0] == "mine", one
        assert "root" not in shown
        assert "else" not in shown
    assert (in_tmp.root / "there").exists()
    assert (in_tmp.root / "work.txt").read_text() == "mine\n"
    after = in_tmp.seal()
    assert [one for one in differences(before, after) if not one.startswith(("container", "outputs"))] == []


@pytest.mark.parametrize(
    "name",
    ["--privileged", "-v", "a,readonly=false,b", 'q"uote', "a:b:rw", "$(id)", "two  words", "ünï", "'", "%s"],
)
def test_a_directory_s_name_is_a_name(build: BuildHouse, name: str) -> None:
    podman()
    house = build(f"home/project/tasks/{name}")
    (done,) = asyncio.run(turn_inside(house, [Attempt("look", "pwd; cat work.txt; touch new")], "small"))
    assert done["look"].output == f"{house.root}\nmine\n"
    assert (house.root / "new").exists()
