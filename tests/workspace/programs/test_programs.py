"""Programs that are talked with, each promise with the sandbox and without."""

import os
import tracemalloc
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.local_workspace import LocalWorkspace
from agentbatch.workspace.programs.error_tail import KEPT, ErrorTail
from agentbatch.workspace.workspace import Program
from tests.support.keys import KEY
from tests.support.programs import everything, python
from tests.support.waiting import until
from tests.workspace.programs.conftest import MakeWorkspace

MB = 1024 * 1024


async def test_it_is_talked_with_in_the_directory(workspace: LocalWorkspace, root: Path) -> None:
    script = (
        "import os, sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)\n"
        "print(os.getcwd(), os.environ['HOME'], os.environ['X'], sys.argv); sys.exit(3)"
    )
    process = await workspace.open(python(script, "-x", "a b", env={"X": "y"}))
    await process.write(b"one\n")
    assert await process.read() == b"ONE\n"
    await process.close_input()
    await process.close_input()
    home = f"{workspace.info.homes}/agent"
    assert (await everything(process)).decode() == f"{root} {home} y ['-c', '-x', 'a b']\n"
    assert await process.wait() == 3
    with pytest.raises(BrokenPipeError):
        await process.write(b"more")


async def test_its_home_is_kept_from_one_start_to_the_next(workspace: LocalWorkspace) -> None:
    script = (
        "import os; from pathlib import Path; h = Path.home()\n"
        "print((h / 'a/conf').read_text(), (h / 'mine').exists(), oct((h / 'a/conf').stat().st_mode))\n"
        "(h / 'mine').touch()"
    )
    for existed in (False, True):
        process = await workspace.open(python(script, files={"a/conf": b"told"}))
        assert await everything(process) == f"told {existed} 0o100600\n".encode()
        assert await process.wait() == 0


async def test_a_login_is_the_user_s_own_file(make_workspace: MakeWorkspace, root: Path) -> None:
    login = root.parent / ".codex/auth.json"
    login.parent.mkdir()
    login.write_text("old")
    (login.parent / "config.toml").write_text("not shown")
    script = (
        "from pathlib import Path; h = Path.home() / '.codex'\n"
        "print((h / 'auth.json').read_text(), [p.name for p in h.iterdir()]); (h / 'auth.json').write_text('new')"
    )
    process = await make_workspace().open(python(script, credentials=(".codex/auth.json",)))
    assert await everything(process) == b"old ['auth.json']\n"
    assert login.read_text() == "new"


async def test_errors_are_kept_apart_masked_and_short(make_workspace: MakeWorkspace) -> None:
    script = (
        "import sys\nfor n in range(20_000): sys.stderr.write(f'line {n}\\n')\n"
        "sys.stderr.write('\\x1b[31mbad ' + sys.argv[1] + sys.argv[2] + '\\n'); print('good')"
    )
    process = await make_workspace(redact=Redactor([KEY])).open(python(script, KEY[:12], KEY[12:]))
    assert await everything(process) == b"good\n"
    await process.stop()
    assert process.errors.endswith("line 19999\nbad [redacted]\n")
    assert len(process.errors) <= KEPT


@pytest.mark.parametrize("after", range(KEPT - 30, KEPT + 2))
def test_a_key_that_the_beginning_of_errors_cuts_is_masked(after: int) -> None:
    tail = ErrorTail(Redactor([KEY]))
    for part in (b"x" * 5000, KEY[:9].encode(), KEY[9:].encode() + b"y" * after):
        tail.feed(part)
    assert not any(KEY[-length:] in tail.text for length in (4, len(KEY)))
    assert len(tail.text) <= KEPT


async def test_no_key_is_given_to_it(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace(redact=Redactor([KEY]))
    for given in ({"env": {"OPENAI_API_KEY": KEY}}, {"files": {"conf": f'key = "{KEY}"'.encode()}}):
        with pytest.raises(UserError, match="holds a key of yours"):
            await workspace.open(python("", **given))
    with pytest.raises(UserError, match="holds a key of yours"):
        await workspace.open(python("", f"--key={KEY}"))


async def test_it_waits_in_its_print_while_nobody_reads(workspace: LocalWorkspace) -> None:
    script = (
        "import sys\nfor n in range(100): sys.stdout.buffer.write(bytes(1024 * 1024)); "
        "sys.stderr.write(f'{n}\\n'); sys.stderr.flush()"
    )
    process = await workspace.open(python(script))
    first = await process.read(10)
    assert first == bytes(10)
    tracemalloc.start()
    received = 10
    while received < 20 * MB:
        received += len(await process.read())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < MB
    await until(lambda: process.errors)
    assert int(process.errors.split()[-1]) < 23
    await process.stop()


@pytest.mark.slow  # gigabytes
async def test_a_flood_of_both_outputs_at_flat_memory(workspace: LocalWorkspace) -> None:
    script = (
        "import os, threading\n"
        "def flood(handle, size):\n    for n in range(size): os.write(handle, bytes(range(256)) * 4096)\n"
        "other = threading.Thread(target=flood, args=(2, 10)); other.start(); flood(1, 1000); other.join()"
    )
    process = await workspace.open(python(script))
    tracemalloc.start()
    received = 0
    while data := await process.read():
        received += len(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert received == 1000 * MB
    assert most < 2 * MB
    assert await process.wait() == 0


async def test_a_program_that_reads_nothing_holds_up_who_writes(workspace: LocalWorkspace) -> None:
    process = await workspace.open(python("import sys; print(1, flush=True); input(); sys.exit(4)"))
    assert await process.read() == b"1\n"
    with pytest.raises(OSError, match="takes no input any more|Broken pipe"):
        await process.write(b"\n" + bytes(MB))
    assert await process.wait() == 4


async def test_more_than_an_argument_holds_is_an_error_and_leaves_nothing(workspace: LocalWorkspace) -> None:
    handles = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="Argument list too long"):
        await workspace.open(python("", "x" * 200_000))
    assert len(os.listdir("/proc/self/fd")) <= handles


async def test_what_is_not_there(workspace: LocalWorkspace) -> None:
    with pytest.raises(UserError, match="nothing-of-the-kind is not to be found on PATH"):
        await workspace.open(Program(("nothing-of-the-kind",), home="agent"))
