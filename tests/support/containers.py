"""Images that tests make themselves, of what this machine has: busybox, bash, git and the Python that runs the tests,
each with its libraries. No registry is asked."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.containers.command_lines import MARK_LABEL
from agentbatch.workspace.containers.engine import Engine, find_engine
from agentbatch.workspace.containers.images.images import ImageRequest, have_images
from agentbatch.workspace.containers.walls import Containers
from agentbatch.workspace.local_workspaces import mark_of
from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from agentbatch.workspace.shell.shell import Shell
from agentbatch.workspace.workspace import Image, Limits
from tests.support.red_team import Attempt, House, Outcome, outcomes, script_of

NAME = "localhost/agentbatch-tests"
WANTED = "needs podman, runc and a static busybox: apt install podman runc busybox-static"


@lru_cache(maxsize=1)
def podman() -> Engine:
    """Skips where there is none that works."""
    if shutil.which("busybox") is None:
        pytest.skip(WANTED)
    try:
        engine = find_engine("podman", dict(os.environ), (os.getuid(), os.getgid()))
        image(engine, "small")
        return have_images(engine, ImageRequest((Image(f"{NAME}:small"),)), print)[0]
    except (OSError, UserError) as error:
        pytest.skip(f"{error}; {WANTED}")


def containers_of(tasks: Path) -> list[str]:
    """Those of the run whose tasks' folder that is, in whatever state."""
    shown = podman().ask("ps", "--all", "--quiet", "--filter", f"label={MARK_LABEL}={mark_of(tasks)}")
    return shown.output.split()


HOSTILE = (
    *("VOLUME=/kept", 'ENTRYPOINT=["/bin/false"]', "USER=1234", "WORKDIR=/nowhere", "STOPSIGNAL=SIGCONT"),
    *(
        "ENV=LD_PRELOAD=/none.so",
        "ENV=SHELLOPTS=noexec",
        "ENV=POSIXLY_CORRECT=1",
        "LABEL=agentbatch.mark=another",
    ),
)
"""Settings of an image, as Dockerfiles have them."""


async def turn_inside(
    house: House,
    several: Iterable[Attempt],
    kind: str = "whole",
    guarded: Iterable[Path] = (),
    turns: int = 1,
    network: bool = False,
) -> list[dict[str, Outcome]]:
    """`red_team.turn` in a container, so many times."""
    one = Image(image(podman(), kind))
    engine, had = have_images(podman(), ImageRequest((one,), network=network), print)
    rules = house.rules(SandboxChoice("none", None, ""))
    run = Containers(engine, had, network, token_hex(8), rules.home, rules.hidden_dirs)
    walls = run.walls(
        one,
        Limits(processes=300),
        house.folder / "container",
        root=house.root,
        inside=str(house.root),
        readable=[],
        hidden_files=rules.hidden_files,
        guarded=list(guarded),
    )
    env = {name: value for name, value in house.environ().items() if name not in ("PATH", "HOME")}
    shell = Shell(house.root, walls, {**env, "OWNER_HOME": str(house.home)}, house.folder / "outputs")
    several, found = list(several), []
    try:
        for _ in range(turns):
            mark = token_hex(8)
            done = await shell.run(script_of(several, mark), 120.0)
            found.append(outcomes(several, mark, f"\n{done.output}\n"))
    finally:
        await walls.close()
    return found


def image(engine: Engine, kind: str) -> str:
    """`small`: busybox and bash; `whole`: git and Python, too; `bare`: without bash; `hanging`: with one that never
    ends; `hostile`: `small` with all that an image should not bring. Its name."""
    name = f"{NAME}:{kind}"
    if engine.ask("image", "exists", name).exit_code != 0:
        with TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                _fill(tar, kind)
            file.seek(0)
            changes = ("ENV=PATH=/usr/bin:/bin", *(HOSTILE if kind == "hostile" else ()))
            words = engine.command("import", "--quiet", *(f"--change={one}" for one in changes), "-", name)
            subprocess.run(words, stdin=file, check=True, capture_output=True)
    return name


def _fill(tar: tarfile.TarFile, kind: str) -> None:
    for folder in ("etc", "bin", "root", "tmp", "testbed", "usr/bin", "var/lib"):
        entry = tarfile.TarInfo(folder)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
    _text(tar, "testbed/run.sh", "#!/bin/sh\necho ran\n", 0o6755)
    _text(tar, "testbed/sub/a", "a\n", 0o600)
    _link(tar, "testbed/link", "/etc/passwd")
    busybox = shutil.which("busybox") or ""
    tar.add(os.path.realpath(busybox), "bin/busybox")
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    own = {"bash", "busybox"} | ({"git", "python3"} if kind == "whole" else set())
    for applet in sorted({*listed} - own):
        _link(tar, f"bin/{applet}", "busybox")
    if kind == "hanging":
        _text(tar, "bin/bash", "#!/bin/sh\nexec sleep 1000000\n", 0o755)
    if kind in ("bare", "hanging"):
        return
    if kind == "hostile":
        for device, what in (
            ("disk", tarfile.BLKTYPE),
            ("memory", tarfile.CHRTYPE),
            ("fifo", tarfile.FIFOTYPE),
        ):
            entry = tarfile.TarInfo(f"testbed/sub/{device}")
            entry.type, entry.mode, entry.devmajor, entry.devminor = what, 0o666, 1, 1
            tar.addfile(entry)
        _text(tar, "testbed/.agentbatch/runs/r1/run.db", "forged", 0o644)
        _text(tar, "testbed/.git/hooks/post-checkout", "#!/bin/sh\n", 0o755)
        _text(tar, "testbed/.git/config", "[core]\n\tfsmonitor = ./x\n", 0o644)
    programs = [Path("/bin/bash").resolve()]
    _add(tar, programs[0], "bin/bash")
    if kind == "whole":
        programs += _python(tar)
        git = Path(shutil.which("git") or "").resolve()
        _add(tar, git, "usr/bin/git")
        programs.append(git)
    for library in sorted(_libraries(programs)):
        _add(tar, library, str(library).lstrip("/"))


def _python(tar: tarfile.TarFile) -> Iterator[Path]:
    binary, stdlib = Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib"))
    _add(tar, binary, str(binary).lstrip("/"))
    _link(tar, "usr/bin/python3", str(binary))
    yield binary
    for folder, folders, names in os.walk(stdlib):
        folders[:] = [
            one for one in folders if one not in ("site-packages", "dist-packages", "test", "__pycache__")
        ]
        folders[:] = [one for one in folders if not one.startswith("config-")]
        for name in names:
            path = Path(folder, name)
            if path.suffix in (".py", ".so"):
                _add(tar, path, str(path).lstrip("/"))
                if path.suffix == ".so":
                    yield path


def _libraries(programs: Iterable[Path]) -> set[Path]:
    found: set[Path] = set()
    for program in programs:
        shown = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
        found |= {Path(place) for place in re.findall(r"(/\S+) \(0x", shown)}
    return found


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    tar.add(path.resolve(), name, recursive=False)


def _text(tar: tarfile.TarFile, name: str, text: str, mode: int) -> None:
    """Somebody else's."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = len(text), mode, 1234, 1234
    tar.addfile(entry, BytesIO(text.encode()))


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)
