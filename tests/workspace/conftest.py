"""Shells as a run makes them, with the sandbox and without."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from agentbatch.workspace.sandbox.sandbox import SandboxChoice, build_sandbox, choose_sandbox
from agentbatch.workspace.shell.environment import shell_environment
from agentbatch.workspace.shell.guard import Guard
from agentbatch.workspace.shell.shell import Shell

MakeShell = Callable[..., Shell]


@pytest.fixture(scope="session")
def bubblewrap() -> SandboxChoice:
    choice = choose_sandbox("auto")
    if choice.name == "none":
        pytest.skip(choice.warning)
    return choice


@pytest.fixture(scope="session")
def guard() -> Iterator[Guard]:
    made = Guard("nobody carries this", os.environ)
    yield made
    made.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "task"
    path.mkdir()
    return path


@pytest.fixture(params=["bubblewrap", "none"])
def choice(request: pytest.FixtureRequest) -> SandboxChoice:
    if request.param == "none":
        return choose_sandbox("none")
    found: SandboxChoice = request.getfixturevalue("bubblewrap")
    return found


@pytest.fixture
def make_shell(tmp_path: Path, guard: Guard) -> MakeShell:
    def make(
        choice: SandboxChoice,
        root: Path,
        *,
        home: Path | None = None,
        path: str | None = None,
        hidden_dirs: Sequence[Path] = (),
        hidden_files: Sequence[Path] = (),
        network: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Shell:
        environ = shell_environment(os.environ, env or {}, ())
        environ["HOME"] = str(home or Path.home())
        environ["PATH"] = path or environ["PATH"]
        outputs = tmp_path / "outputs"
        sandbox = build_sandbox(
            choice,
            root=root,
            home=home or Path.home(),
            path_variable=environ["PATH"],
            hidden_dirs=hidden_dirs,
            hidden_files=hidden_files,
            readable=(outputs,),
            network=network,
        )
        return Shell(root, sandbox, environ, outputs, guard=guard)

    return make


@pytest.fixture
def shell(choice: SandboxChoice, root: Path, make_shell: MakeShell) -> Shell:
    return make_shell(choice, root)
