"""A hostile coder: a project to attack, what is tried in it, and what must not come of it.

One turn runs many attempts, each in its own subshell of one command, so that a hundred cost what one does. What must
not happen is the same for all: no KEY is printed, nothing outside the task's directory differs (`House.seal`), nothing
that the coder wrote is ever run at home (`House.proofs`).
"""

import asyncio
import concurrent.futures.thread  # noqa: F401 - another user cannot import it where it is asked for
import hashlib
import os
import pickle
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple, TypeVar

from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.local_workspace import SandboxRules
from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from agentbatch.workspace.shell.environment import shell_environment
from agentbatch.workspace.shell.shell import Shell

T = TypeVar("T")
BuildHouse = Callable[..., "House"]

KEY = "sk-red-team-0123456789abcdef"
"""In every file that no task may read."""

MAX_OUTPUT = 500
"""Bytes of an attempt's output that are kept: the last ones."""

NOBODY = 65534
"""The user and group as whom a turn is done that has no rights."""


class Attempt(NamedTuple):
    """One thing that a coder tries."""

    name: str
    command: str
    """For bash, in the task's directory. `$NAME` is the attempt's name; `$RUN` is a command that
    shows that it was run outside the sandbox; `$HOME`, `$HOUSE` and `$PROJECT` are places of the house."""


def attempts(text: str) -> list[Attempt]:
    """Each begins with a line `== name`."""
    parts = (part.partition("\n") for part in f"\n{text}".split("\n== ")[1:])
    return [Attempt(name.strip(), command) for name, _, command in parts]


class Outcome(NamedTuple):
    output: str
    exit_code: int


@dataclass
class House:
    """What there is to attack: a HOME with keys, and a project with two tasks, env files and a run's folder."""

    folder: Path
    root: Path
    """The directory of the task that attacks."""
    home: Path = field(init=False)
    project: Path = field(init=False)
    victim: Path = field(init=False)
    """The other task's directory."""
    proof: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home, self.project = self.folder / "home", self.folder / "home/project"
        self.victim, self.proof = self.project / "tasks/b", self.folder / "proof"

    @property
    def env_files(self) -> tuple[Path, ...]:
        return (self.project / "conf/keys.env", self.project / ".env")

    @property
    def runs(self) -> Path:
        return self.project / ".agentbatch"

    def rules(self, choice: SandboxChoice) -> SandboxRules:
        return SandboxRules.of_run(
            choice,
            network=choice.name == "none",
            environ={**self.environ(), **self.naming()},
            directories=(self.root, self.victim),
            runs=self.runs,
            env_files=self.env_files,
        )

    def naming(self) -> dict[str, str]:
        """Variables that say where keys lie."""
        ray, cluster = self.folder / "shared/ray-token", self.project / "conf/cluster.yml"
        return {"RAY_AUTH_TOKEN_PATH": str(ray), "KUBECONFIG": f"/none:{cluster}"}

    def environ(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "HOUSE": str(self.folder),
            "PROJECT": str(self.project),
            "PROOF": str(self.proof),
        }

    def proofs(self) -> list[str]:
        """Names of attempts whose programs ran at home."""
        return sorted(os.listdir(self.proof))

    def seal(self) -> dict[str, str]:
        """Everything outside of the task's directory that can be changed: what differs later was reached."""
        found = {}
        for folder, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if Path(folder, name) != self.root]
            for name in (*names, *folders):
                place = Path(folder, name)
                status = place.lstat()
                content = os.readlink(place) if place.is_symlink() else ""
                if stat.S_ISREG(status.st_mode):
                    content = hashlib.sha256(place.read_bytes()).hexdigest()
                found[str(place.relative_to(self.folder))] = f"{status.st_mode:o} {status.st_uid} {content}"
        return found


def build_house(folder: Path, root: str = "home/project/tasks/a") -> House:
    """`root`: the task's directory, relative to `folder`."""
    house = House(folder, folder / root)
    files = {
        house.home / ".ssh/id": KEY,
        house.home / ".config/gh/hosts.yml": KEY,
        house.home / ".netrc": KEY,
        house.project / ".env": f"CODER_API_KEY={KEY}\n",
        house.project / "conf/keys.env": f"OPENAI_API_KEY={KEY}\n",
        house.project / "conf/cluster.yml": KEY,
        house.folder / "shared/ray-token": KEY,
        house.project / "conf/deeper/plain.txt": "plain\n",
        house.project / "task.json": "{}",
        house.victim / "answer.txt": f"the other task's work: {KEY}\n",
        house.runs / "runs/r1/run.db": KEY,
        house.runs / "runs/r1/tasks/b/outputs/1.txt": KEY,
        house.root / "work.txt": "mine\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    house.proof.mkdir()
    return house


def hand_over(folder: Path, user: int) -> None:
    """Everything below becomes the user's."""
    folder.chmod(0o755)
    for place in (folder, *folder.rglob("*")):
        os.chown(place, user, user, follow_symlinks=False)


def script_of(tried: Iterable[Attempt], mark: str) -> str:
    """One command of all attempts, with a line before each and its exit code after it."""
    parts = []
    for number, attempt in enumerate(tried):
        parts.append(f"printf '\\n%s %s\\n' {mark} {number}")
        own = f"export NAME={attempt.name} RUN='touch '$PROOF/{attempt.name}"
        parts.append(f"( {own}\n{attempt.command}\n) </dev/null 2>&1 | tail -c {MAX_OUTPUT}")
        parts.append(f"printf '\\n%s = %s\\n' {mark} ${{PIPESTATUS[0]}}")
    return "\n".join(parts)


def outcomes(tried: Iterable[Attempt], mark: str, output: str) -> dict[str, Outcome]:
    """What each attempt printed; one that ended the whole command has no outcome."""
    found: dict[str, Outcome] = {}
    names, last = [attempt.name for attempt in tried], ""
    for part in output.split(f"\n{mark} ")[1:]:
        head, _, text = part.partition("\n")
        if head.startswith("= "):
            found[last] = Outcome(found[last].output, int(head.removeprefix("= ")))
        else:
            last = names[int(head)]
            found[last] = Outcome(text, -1)
    return found


async def turn(
    house: House,
    several: Iterable[Attempt],
    choice: SandboxChoice,
    guarded: Iterable[Path] = (),
    hidden: Iterable[Path] = (),
) -> dict[str, Outcome]:
    """All attempts in one command in the task's directory, in the sandbox of a run. `guarded` can only be read there,
    `hidden` not even that."""
    several, mark = list(several), token_hex(8)
    env = shell_environment(house.environ(), house.environ(), ())
    sandbox = house.rules(choice).sandbox(house.root, env, [], list(hidden), list(guarded))
    shell = Shell(house.root, sandbox, env, house.folder / "outputs")
    done = await shell.run(script_of(several, mark), 60.0)
    return outcomes(several, mark, f"\n{done.output}\n")


def as_user(user: int | None, act: Callable[[], T]) -> T:
    """What `act` returns, done in a process of that user (None: in this one). It must import nothing new."""
    if user is None:
        return act()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            with open(writing, "wb") as file:
                pickle.dump(act(), file)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, "rb") as file:
        data = file.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise AssertionError(f"what was to be done as user {user} failed with status {status}")
    return pickle.loads(data)  # type: ignore[no-any-return]  # of our own child


def tried(
    house: House,
    several: Iterable[Attempt],
    choice: SandboxChoice,
    user: int | None = None,
    guarded: Iterable[Path] = (),
) -> dict[str, Outcome]:
    """`turn`, also as another user."""
    return as_user(user, lambda: asyncio.run(turn(house, several, choice, guarded)))


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def remove_house(house: House) -> None:
    remove_tree(house.folder)
