"""Out of the sandbox: keys read by another way, places reached that are not the task's, the machine changed."""

import asyncio
from pathlib import Path

import pytest

from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from agentbatch.workspace.shell.shell import Shell
from tests.support.escapes import FROM_ABOVE, MACHINE, READING
from tests.support.red_team import KEY, Attempt, BuildHouse, House, Outcome, build_house, differences, tried


@pytest.fixture(scope="module")
def read(bubblewrap: SandboxChoice, build: BuildHouse, user: int | None) -> tuple[House, dict[str, Outcome]]:
    house = build()
    before = house.seal()
    done = tried(house, READING, bubblewrap, user)
    assert differences(before, house.seal()) == []
    return house, done


@pytest.mark.parametrize("attempt", READING, ids=lambda a: a.name)
def test_no_key_is_read(attempt: Attempt, read: tuple[House, dict[str, Outcome]]) -> None:
    outcome = read[1][attempt.name]
    assert KEY not in outcome.output
    assert attempt.name not in read[0].proofs()


@pytest.mark.parametrize("root", ["home", "home/project", "."])
def test_no_key_is_read_where_it_lies_in_the_task_s_own_directory(
    bubblewrap: SandboxChoice, build: BuildHouse, user: int | None, root: str
) -> None:
    house = build(root)
    at = "" if root == "home/project" else "cd $PROJECT; "
    attempts = [attempt._replace(command=at + attempt.command) for attempt in FROM_ABOVE]
    done = tried(house, attempts, bubblewrap, user)
    assert [name for name, outcome in done.items() if KEY in outcome.output] == []
    assert len(done) == len(FROM_ABOVE)
    assert all(place.is_file() for place in house.env_files)


@pytest.fixture(scope="module")
def machine(bubblewrap: SandboxChoice, build: BuildHouse, user: int | None) -> dict[str, Outcome]:
    return tried(build(), MACHINE, bubblewrap, user)


@pytest.mark.parametrize("attempt", MACHINE, ids=lambda a: a.name)
def test_the_machine_stays_as_it_is(attempt: Attempt, machine: dict[str, Outcome]) -> None:
    assert "wrote" not in machine[attempt.name].output.split()


LOADED = {
    "a tracer": {"LD_DEBUG": "statistics", "LD_DEBUG_OUTPUT": "{proof}/loaded"},
    "a library": {"LD_PRELOAD": "{root}/planted.so"},
    "libraries": {"LD_LIBRARY_PATH": "{root}/lib"},
    "an auditor": {"LD_AUDIT": "{root}/planted.so"},
}


@pytest.mark.parametrize("name", LOADED)
def test_what_programs_load_at_their_start_is_loaded_inside_alone(
    bubblewrap: SandboxChoice, tmp_path: Path, name: str
) -> None:
    """By a task's `env`, or the user's own LD_LIBRARY_PATH into the directory: bwrap runs at home."""
    house = build_house(tmp_path)
    planted = {key: text.format(proof=house.proof, root=house.root) for key, text in LOADED[name].items()}
    env = {"PATH": "/usr/bin:/bin", **planted}
    sandbox = house.rules(bubblewrap).sandbox(house.root, env, [])
    with sandbox.wrap(["true"], env) as wrapped:
        assert not planted.keys() & wrapped.env.keys()
    shown = " ".join(f'"${{{key}}}"' for key in planted)
    done = asyncio.run(Shell(house.root, sandbox, env, house.folder / "outputs").run(f"echo {shown}", 300.0))
    assert " ".join(planted.values()) in done.output, "the task's own programs have it"
    assert house.proofs() == []
