"""When Ray on a machine ends, commands there are killed before the hands are: that is no answer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT
from tests.support.waiting import wait_until

HANDS = """
import asyncio, os, sys
from agentbatch.cluster.exchange.terms import MAIN, Posting, Walls
from agentbatch.cluster.exchange.wire import pack, unpack
from agentbatch.cluster.node.hands import Hands, OrphanedError
from agentbatch.workspace.workspace import Order

if os.fork():  # in the place of Ray, by which the hands are started
    os.close(1)
    os._exit(sys.stdin.read() != "")

async def main(command):
    order = Order("t", "/work", "none", {}, ("bash",), 600.0)
    hands = Hands(pack(Posting("mark", 1, order, Walls("none", True), False)))
    await hands.arrive()
    await hands.begin()
    try:
        print(unpack(await hands.ask(1, 1, MAIN, "run", pack((command, 600.0))))[1].exit_code, flush=True)
    except OrphanedError as error:
        print(error, flush=True)
    os._exit(0)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("ends", "said"), [(False, "7"), (True, "Ray on it has ended")])
def test_what_ends_with_ray_on_a_machine_is_no_answer(tmp_path: Path, ends: bool, said: str) -> None:
    command = f"touch {tmp_path}/begun; until [ -e {tmp_path}/goes ]; do sleep 0.01; done; exit 7"
    argv, environ = [sys.executable, "-c", HANDS, command], {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        argv, cwd=CHECKOUT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        wait_until((tmp_path / "begun").exists)
        if ends:
            process.stdin.close()
            process.wait()
        (tmp_path / "goes").touch()
        assert process.stdout.read().strip() == said
