"""Protected files: whatever a coder does to them, they are judged as they were, and nothing outside is written."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.disk_work import DiskWork
from agentbatch.workspace.files.protect import protect, restore
from agentbatch.workspace.files.snapshot.contents import Contents
from agentbatch.workspace.local_workspace import LocalWorkspace
from agentbatch.workspace.sandbox.sandbox import choose_sandbox
from agentbatch.workspace.tools.toolbox import HANDS, choose_hands
from tests.support.red_team import Attempt, attempts, build_house, turn
from tests.support.workspaces import UNSANDBOXED

TESTS = {
    "tests/test_a.py": "assert False\n",
    "tests/deep/er/test_b.py": "assert 0\n",
    "tests/data[1].json": "{}\n",
    "conftest.py": "x = 1\n",
    "tests/run.sh": "exit 1\n",
}

TRIES = attempts(r"""
== rewritten
echo 'assert True' > tests/test_a.py
== appended
echo '# skip' >> tests/deep/er/test_b.py
== with-its-old-time
touch -r tests/test_a.py t; echo 'assert 1    ' > tests/test_a.py; touch -r t tests/test_a.py; rm t
== deleted
rm -rf tests
== emptied
: > conftest.py
== renamed-folder
mv tests tests-old; mkdir tests
== renamed-file
mv tests/test_a.py tests/test_z.py
== link-to-own-file
echo 'assert True' > mine.py; ln -sf ../mine.py tests/test_a.py
== link-to-the-outside
rm conftest.py; ln -s $HOME/.ssh/id conftest.py
== folder-for-a-link
mv tests real; ln -s real tests
== folder-for-a-link-to-the-outside
rm -rf tests; ln -s $HOME/.ssh tests
== deep-folder-for-a-link-to-the-outside
rm -rf tests/deep; ln -s $HOME/.ssh tests/deep
== hard-link-to-the-outside
rm tests/test_a.py; ln $HOME/.ssh/id tests/test_a.py
== folder-in-its-place
rm conftest.py; mkdir -p conftest.py/a/b; echo x > conftest.py/a/b/c
== fifo-in-its-place
rm conftest.py; mkfifo conftest.py
== socket-folder
rm tests/deep/er/test_b.py; mkdir tests/deep/er/test_b.py; mkfifo tests/deep/er/test_b.py/x
== without-permissions
echo x > tests/deep/er/test_b.py; chmod 000 tests/deep/er/test_b.py
== executable
chmod +x tests/test_a.py; chmod -x tests/run.sh
== folder-in-a-file-s-place
rm -rf tests; echo x > tests
== name-with-signs
echo '[1]' > 'tests/data[1].json'
== added-beside
echo 'collect_ignore = ["test_a.py"]' > tests/conftest.py
""")


STANDING = {
    "a package": "mkdir tests/test_a; touch tests/test_a/__init__.py",
    "a compiled package": "mkdir tests/test_a; touch tests/test_a/__init__.pyc; touch tests/test_a/__init__.so",
    "a link to a package": "mkdir mine; touch mine/__init__.py; ln -s ../mine tests/test_a",
    "a library": "touch tests/test_a.cpython-311-x86_64-linux-gnu.so tests/test_a.abi3.so",
    "of the folder": "touch tests/__init__.py",
}
HOW_IT_IS_IMPORTED = "import sys; sys.path[:0] = ['tests', '.']; import test_a; import tests"


@pytest.mark.parametrize("command", STANDING.values(), ids=STANDING)
def test_nothing_is_imported_in_the_place_of_what_is_protected(tmp_path: Path, command: str) -> None:
    house = build_house(tmp_path)
    for name in ("tests.py", "tests/test_a.py", "tests/old.py", "tests/old/__init__.py", "tool.py", "tool"):
        (house.root / name).parent.mkdir(parents=True, exist_ok=True)
        (house.root / name).write_text(f"print({name!r})\n")
    kept = protect(house.root, ["tests/*.py", "tests.py", "tool.py"])
    attempt = Attempt("stand", f"{command}; echo 'print(1)' > tool")
    asyncio.run(turn(house, [attempt], choose_sandbox("none")))
    assert restore(house.root, kept) != []
    done = subprocess.run(
        [sys.executable, "-c", HOW_IT_IS_IMPORTED], cwd=house.root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "tests/test_a.py\ntests.py\n"
    assert (house.root / "tests/old/__init__.py").exists(), "it was there"
    assert (house.root / "tool").read_text() == "print(1)\n", "it is imported by nobody"
    assert restore(house.root, kept) == []


@pytest.mark.parametrize("attempt", TRIES, ids=lambda a: a.name)
def test_what_is_protected_is_as_it_was(tmp_path: Path, attempt: Attempt) -> None:
    house = build_house(tmp_path)
    for name, text in TESTS.items():
        (house.root / name).parent.mkdir(parents=True, exist_ok=True)
        (house.root / name).write_text(text)
    (house.root / "tests/run.sh").chmod(0o755)
    kept = protect(house.root, ["tests/**", "conftest.py"])
    assert set(kept.files) == set(TESTS)
    key = (house.home / ".ssh/id").read_bytes(), sorted(os.listdir(house.home / ".ssh"))
    asyncio.run(turn(house, [attempt], choose_sandbox("none")))
    tampered = restore(house.root, kept)
    assert tampered != []
    found = {name: (house.root / name).read_text() for name in TESTS}
    assert found == TESTS
    modes = [bool((house.root / name).stat().st_mode & 0o100) for name in ("tests/run.sh", "tests/test_a.py")]
    assert modes == [True, False]
    assert not any((house.root / name).is_symlink() for name in (*TESTS, "tests", "tests/deep"))
    assert ((house.home / ".ssh/id").read_bytes(), sorted(os.listdir(house.home / ".ssh"))) == key
    assert protect(house.root, ["tests/**", "conftest.py"]).files.items() >= kept.files.items()


@pytest.mark.parametrize(
    "command",
    [
        "mv conf conf2",
        "mv .env shown",
        "rm -f conf/keys.env",
        "mv .agentbatch runs2",
        "cd ..; mv project p2; ln -s p2 project",
        "cd ../..; mv home h2; ln -s h2 home",
        "cd ../..; mv home h2; mkdir home; ln -s ../h2/project home/project",
    ],
)
async def test_without_a_sandbox_a_hidden_place_that_vanishes_ends_the_task(
    tmp_path: Path, command: str
) -> None:
    """Under its new name the file tools would show it."""
    house = build_house(tmp_path, "home/project")
    rules, env = house.rules(UNSANDBOXED), {"PATH": "/usr/bin:/bin"}
    outputs = tmp_path / "outputs"
    place = LocalWorkspace(
        house.root,
        rules=rules,
        sandbox=rules.sandbox(house.root, env, [outputs]),
        env=env,
        outputs=outputs,
        scratch=tmp_path / "scratch",
        hands=choose_hands(list(HANDS), 10.0),
        homes=tmp_path / "homes",
        redact=Redactor([]),
        disk=DiskWork(),
        contents=Contents(),
    )
    await place.call("bash", {"command": command})
    for path in ("conf2/keys.env", "shown", "runs2/runs/r1/run.db", "work.txt"):
        with pytest.raises(
            UserError, match=r"was hidden from the task and is not there any more|became a link"
        ):
            await place.call("read_file", {"path": path})
    with pytest.raises(UserError):
        await place.run("true", 5.0)
