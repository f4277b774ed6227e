"""By programs: what the coder puts where PATH or an interpreter finds it, to be run outside of the sandbox."""

import asyncio
import os
from pathlib import Path

import pytest

from agentbatch.config.own_environment import own_environment
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.sandbox.sandbox import SandboxChoice, choose_sandbox
from agentbatch.workspace.sandbox.toolchains import machine_first, programs_inside, programs_named
from agentbatch.workspace.watch.watch import begin_watch, end_watch
from agentbatch.workspace.workspace import Order
from tests.support.red_team import (
    Attempt,
    BuildHouse,
    House,
    Outcome,
    as_user,
    attempts,
    build_house,
    tried,
    turn,
)
from tests.support.workspaces import local_workspaces

PLANTED = attempts(r"""
== program-of-the-venv
printf '#!/bin/sh\n%s\n' "$RUN" > .venv/bin/git; chmod +x .venv/bin/git
== interpreter
printf '#!/bin/sh\n%s\n' "$RUN" > .venv/bin/python; cp .venv/bin/python .venv/bin/python3
== start-file
echo "import os; os.system('$RUN')" > .venv/lib/python3.11/site-packages/x.pth
== customisation
echo "import os; os.system('$RUN')" > .venv/lib/python3.11/site-packages/sitecustomize.py
== installed-package
echo "import os; os.system('$RUN')" > .venv/lib/python3.11/site-packages/yaml.py
== settings-of-the-venv
echo "home = $PWD/evil" > .venv/pyvenv.cfg
== venv-renamed
mv .venv .venv2; mkdir -p .venv/bin; printf '#!/bin/sh\n%s\n' "$RUN" > .venv/bin/git
== bin-renamed
mv .venv/bin .venv/b2; mkdir -p .venv/bin
== link-into-the-venv
ln -sfn ../../evil .venv/bin/pip; ln -sfn $PWD/evil .venv/lib
== programs-of-the-project
printf '#!/bin/sh\n%s\n' "$RUN" > scripts/bwrap; printf '#!/bin/sh\n%s\n' "$RUN" > scripts/rm; chmod +x scripts/*
""")


def with_programs(house: House) -> tuple[str, list[Path]]:
    """A PATH with a virtual environment and a folder of the project on it."""
    folders = [house.project / ".venv/bin", house.project / "scripts"]
    for folder in (*folders, house.project / ".venv/lib/python3.11/site-packages"):
        folder.mkdir(parents=True)
    (house.project / ".venv/pyvenv.cfg").write_text("home = /usr/bin\n")
    (house.project / ".venv/bin/python").symlink_to("/usr/bin/python3")
    (house.project / "scripts/hello").write_text("#!/bin/sh\necho hello\n")
    (house.project / "scripts/hello").chmod(0o755)
    path = os.pathsep.join([*map(str, folders), "scripts", "", ".", "/usr/bin", "/bin"])
    return path, programs_inside(house.project, path)


@pytest.fixture(scope="module")
def planted(
    bubblewrap: SandboxChoice, build: BuildHouse, user: int | None
) -> tuple[House, dict[str, Outcome], list[str]]:
    house = build("home/project")
    _, guarded = as_user(user, lambda: with_programs(house))
    as_user(user, lambda: begin_watch(house.project, guarded, house.folder / "task", resume=False))
    done = tried(house, [*PLANTED, Attempt("use", "scripts/hello")], bubblewrap, user, guarded)
    told = as_user(user, lambda: end_watch(house.project, guarded, house.folder / "task"))
    return house, done, told


@pytest.mark.parametrize("attempt", PLANTED, ids=lambda a: a.name)
def test_what_others_run_is_read_only(
    attempt: Attempt, planted: tuple[House, dict[str, Outcome], list[str]]
) -> None:
    _, done, told = planted
    said = done[attempt.name].output
    assert "Read-only file system" in said or "Device or resource busy" in said or "cannot" in said
    assert told == []


def test_what_is_there_can_be_used(planted: tuple[House, dict[str, Outcome], list[str]]) -> None:
    assert planted[1]["use"].output == "hello\n"


async def test_without_a_sandbox_it_is_told_and_not_run_by_us(tmp_path: Path) -> None:
    house = build_house(tmp_path, "home/project")
    path, guarded = with_programs(house)
    begin_watch(house.project, guarded, tmp_path / "task", resume=False)
    await turn(house, PLANTED[:1] + PLANTED[2:4] + PLANTED[9:], choose_sandbox("none"))
    (told,) = end_watch(house.project, guarded, tmp_path / "task")
    for name in (".venv/bin/git", "site-packages/x.pth", "sitecustomize.py", "scripts/bwrap"):
        assert name in told
    environ = own_environment({**house.environ(), "PATH": path}, [house.project])
    Git(environ).ask("--version", cwd=house.project)
    choose_sandbox("auto", environ["PATH"])
    (house.project / "x").mkdir()
    await asyncio.to_thread(remove_tree, house.project / "x")
    assert house.proofs() == []


LATER = attempts(r"""
== a-folder-that-was-not-there
mkdir -p later/bin; echo evil > later/bin/git; chmod +x later/bin/git
== a-venv-that-was-not-there
mkdir -p later/bin; touch later/pyvenv.cfg; echo evil > later/bin/python
== a-folder-named-from-anywhere
mkdir -p node_modules/.bin; echo evil > node_modules/.bin/tsc
== what-a-link-leads-to
echo evil > src/tool
== another-folder-for-a-link
rm linked; mkdir linked; echo evil > linked/git
== the-end-of-a-large-one
printf evil | dd of=scripts/large bs=1 seek=1500000 conv=notrunc 2>/dev/null
== only-the-right-to-run
chmod +x scripts/notes
""")


@pytest.mark.parametrize("attempt", LATER, ids=lambda a: a.name)
async def test_programs_that_others_will_find_are_told(tmp_path: Path, attempt: Attempt) -> None:
    """Where nothing can be read-only: what is not there yet, what a link stands for, and without a sandbox."""
    house = build_house(tmp_path, "home/project")
    root, shared = house.project, house.home / "shared"
    for folder in (root / "src", root / "scripts", shared):
        folder.mkdir()
    (root / "src/tool").write_text("mine")
    (root / "scripts/tool").symlink_to("../src/tool")
    (root / "scripts/large").write_bytes(b"x" * 2_000_000)
    (root / "scripts/notes").write_text("mine")
    (shared / "git").write_text("mine")
    (root / "linked").symlink_to(shared)
    names = (
        f"{root}/later/bin",
        "node_modules/.bin",
        f"{root}/scripts",
        f"{root}/linked",
        "",
        ".",
        "/usr/bin",
    )
    path = os.pathsep.join(names)
    begin_watch(root, programs_named(root, path), tmp_path / "task", resume=False)
    assert end_watch(root, programs_named(root, path), tmp_path / "task") == []
    await turn(house, [attempt], choose_sandbox("none"))
    (told,) = end_watch(root, programs_named(root, path), tmp_path / "task")
    assert "that your PATH or Python finds" in told


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/usr/bin:/bin", "/usr/bin:/bin"),
        ("{root}/bin:/usr/bin", "/usr/bin"),
        ("{root}:/usr/bin", "/usr/bin"),
        (":/usr/bin:", "/usr/bin"),
        (".:bin:../x:/usr/bin", "/usr/bin"),
        ("{root}/../{name}/bin:/usr/bin", "/usr/bin"),
        ("{link}/bin:/usr/bin", "/usr/bin"),
        ("{root}-beside/bin:/usr/bin", "{root}-beside/bin:/usr/bin"),
        ("{root}/bin", os.defpath),
    ],
)
def test_our_programs_come_from_no_task_s_directory(tmp_path: Path, path: str, kept: str) -> None:
    root, link = tmp_path / "task", tmp_path / "link"
    (root / "bin").mkdir(parents=True)
    link.symlink_to(root)
    places = {"root": str(root), "name": root.name, "link": str(link)}
    given, kept = path.format(**places), kept.format(**places)
    environ = {"PATH": given, "PYTHONPATH": given, "LD_PRELOAD": given, "HOME": given}
    found = own_environment(environ, [tmp_path / "other", root])
    assert found["PATH"] == kept
    assert found.get("PYTHONPATH", os.defpath) == found.get("LD_PRELOAD", os.defpath) == kept
    assert found["HOME"] == given


async def test_no_program_of_its_own_stands_for_the_machine_s_while_its_work_is_checked(
    tmp_path: Path,
) -> None:
    """PATH names `node_modules/.bin` from wherever one is, as many have it; the task makes that folder."""
    (tmp_path / "w").mkdir()
    path = os.pathsep.join(["node_modules/.bin", "", str(tmp_path / "w/bin"), "/usr/bin", "/bin"])
    places = local_workspaces(tmp_path / "tasks", {"PATH": path})
    order = Order("t", str(tmp_path / "w"), "none", {}, ("bash",), 60.0)
    workspace = await places.make(order).start()
    plant = """mkdir -p node_modules/.bin bin
    for at in node_modules/.bin . bin; do for name in find tool; do
    printf '#!/bin/sh\\necho planted\\n' > $at/$name; chmod +x $at/$name; done; done"""
    assert (await workspace.run(plant, 60.0)).exit_code == 0
    found = await workspace.run("find . -name tool -path './bin/*'; tool", 60.0)
    assert found.output.split() == ["./bin/tool", "planted"], "its own tools are there, behind the machine's"
    await workspace.close()


@pytest.mark.parametrize(
    ("entry", "stays"),
    [
        ("/usr/bin", True),
        ("ROOT/.venv/bin", True),
        ("ROOT/made-later", False),
        ("ROOT/link", False),
        ("ROOT/../w/.venv/../made-later", False),
        (".venv/bin", False),
        ("", False),
        (".", False),
    ],
)
def test_what_it_can_still_make_comes_last(tmp_path: Path, entry: str, stays: bool) -> None:
    root = tmp_path / "w"
    (root / ".venv/bin").mkdir(parents=True)
    (root / "link").symlink_to(".venv/bin")
    entry = entry.replace("ROOT", str(root))
    expected = [entry, "/bin"] if stays else ["/bin", entry]
    assert machine_first(f"{entry}:/bin", root) == ":".join(expected)
