"""The real llama.cpp with a real, small model."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from agentbatch.errors import UserError
from agentbatch.local.server import LocalServer
from agentbatch.local.server_plan import ServerPlan, plan_server
from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.reply import ModelError
from agentbatch.toolcalls.forms import TextForms
from tests.local.gguf_bytes import gguf
from tests.local.llama_processes import processes, session, until
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "a-key-for-one-server"
CONTEXT = 256


def small_plan(path: Path, slots: int = 1) -> ServerPlan:
    """One thread: tests share their processors with each other."""
    return plan_server(path, "smol", slots, context=CONTEXT, threads=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalServer]:
    log = tmp_path_factory.mktemp("server") / "llama.log"
    async with LocalServer(small_plan(smollm2, slots=2), KEY, log, lambda sentence: None) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(server: LocalServer) -> AsyncIterator[ModelClient]:
    endpoint = Endpoint(
        server.base_url,
        KEY,
        forms=TextForms(),
        limits=EndpointLimits(max_in_flight=2),
        retry=RetryPolicy(max_retries=0, delay=0.0),
        request_timeout=300.0,
        redact=lambda text: text,
    )
    async with endpoint:
        yield ModelClient(endpoint, "smol", max_output_tokens=40)


async def test_chat(client: ModelClient) -> None:
    reply = await client.complete([{"role": "user", "content": "What is the capital of France?"}])
    assert reply.content.strip()
    assert reply.finish_reason in ("stop", "length")
    assert reply.usage.input > 10
    assert not reply.usage.estimated


async def test_json_schema_is_kept(client: ModelClient) -> None:
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "integer"}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    reply = await client.complete([{"role": "user", "content": "What is 3 + 4?"}], schema=("answer", schema))
    assert client.endpoint.capabilities("smol").output_form == "json_schema"
    assert isinstance(json.loads(reply.content)["answer"], int)


async def test_too_long_a_conversation_is_an_overflow(client: ModelClient) -> None:
    with pytest.raises(ModelError) as caught:
        await client.complete([{"role": "user", "content": "word " * 3 * CONTEXT}])
    assert caught.value.kind == "overflow"


async def test_an_answer_without_end_is_cut(server: LocalServer) -> None:
    body = {"messages": [{"role": "user", "content": "Count."}], "ignore_eos": True, "stream": True}
    headers = {"Authorization": f"Bearer {KEY}"}
    finish, pieces = [], 0
    async with (
        httpx2.AsyncClient(timeout=300, trust_env=False) as http,
        http.stream("POST", f"{server.base_url}/chat/completions", json=body, headers=headers) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                choice = json.loads(line[6:])["choices"][0]
                pieces += bool(choice["delta"].get("content"))
                finish.append(choice["finish_reason"])
    assert finish[-1] == "length"
    assert 50 < pieces <= CONTEXT // 2


async def test_only_with_the_key_and_nothing_but_chat(server: LocalServer) -> None:
    root = server.base_url.removesuffix("/v1")
    assert root.startswith("http://127.0.0.1:")
    async with httpx2.AsyncClient(timeout=300, trust_env=False) as http:
        assert (await http.post(f"{server.base_url}/chat/completions", json={})).status_code == 401
        headers = {"Authorization": f"Bearer {KEY}"}
        for path in ("/", "/slots", "/metrics"):
            assert (await http.get(root + path, headers=headers)).status_code in (404, 501), path
        models = (await http.get(f"{server.base_url}/models", headers=headers)).json()
    assert [model["id"] for model in models["data"]] == ["smol"]


async def test_the_key_is_in_no_command_line_nor_environment(server: LocalServer) -> None:
    (pid,) = processes(os.getpid())
    for name in ("cmdline", "environ"):
        assert KEY.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()


async def test_what_is_said_of_it(server: LocalServer, smollm2: Path) -> None:
    told = server.plan.describe()
    assert told.startswith(f"{smollm2.name}: 135M, 2 slots of 256 tokens, 1 thread, about 0.")
    assert told.endswith(" GB memory")
    assert server.identity == f"local:{smollm2.name}:{smollm2.stat().st_size}"
    assert server.plan.warning == ""


async def test_the_end_of_the_block_is_its_end(smollm2: Path, tmp_path: Path) -> None:
    before = processes(os.getpid())
    async with LocalServer(small_plan(smollm2), KEY, tmp_path / "llama.log", lambda sentence: None):
        (mine,) = processes(os.getpid()) - before
        assert len(session(mine)) == 2
    assert until(lambda: not session(mine))
    assert processes(os.getpid()) == before


ENGINE = """\
import asyncio, sys
from pathlib import Path
from agentbatch.local.server import LocalServer
from agentbatch.local.server_plan import plan_server

async def main():
    plan = plan_server(Path(sys.argv[1]), "smol", 1, context=1024, threads=1)
    async with LocalServer(plan, "key", Path(sys.argv[2]), print):
        print("up", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def start_engine(model: Path, log: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(model), str(log)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("when", ["loading", "up"])
async def test_it_ends_with_the_engine(
    smollm2: Path, tmp_path: Path, number: signal.Signals, when: str
) -> None:
    log = tmp_path / "llama.log"
    engine = start_engine(smollm2, log)
    text = "loading model" if when == "loading" else "listening on"
    assert until(lambda: log.exists() and text in log.read_text(errors="replace"))
    (server,) = processes(engine.pid)
    if when == "loading" and number == signal.SIGKILL:
        os.kill(server, signal.SIGSTOP)  # it need not be done with that
    engine.send_signal(number)
    assert until(lambda: not session(server))
    engine.communicate(timeout=300)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_the_kernel_ends_it_where_the_guard_is_gone(smollm2: Path, tmp_path: Path) -> None:
    engine = start_engine(smollm2, tmp_path / "llama.log")
    assert engine.stdout is not None
    while (line := engine.stdout.readline()) != b"up\n":
        assert line, "the engine ended"
    (server,) = processes(engine.pid)
    (guard,) = set(session(server)) - {server}
    os.kill(guard, signal.SIGKILL)
    assert until(lambda: guard not in session(server))
    engine.kill()
    engine.communicate(timeout=300)
    assert until(lambda: not session(server))


def start_child(log: Path) -> "subprocess.Popen[bytes]":
    with open(log, "wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "agentbatch.local.child"], stdin=subprocess.PIPE, stdout=out, stderr=out
        )


async def test_the_end_of_stdin_is_its_end_also_while_it_loads(smollm2: Path, tmp_path: Path) -> None:
    """Where the kernel does not tell a child that its parent has died (macOS), this is what does."""
    log = tmp_path / "llama.log"
    order = {
        "parent": os.getpid(), "model": str(smollm2), "name": "smol", "api_key": KEY, "slots": 1, "context": 1024,
        "threads": 1, "prompt_cache": 0,
    }  # fmt: skip
    child = start_child(log)
    assert child.stdin is not None
    child.stdin.write(json.dumps(order).encode() + b"\n")
    child.stdin.flush()
    assert until(lambda: "loading model" in log.read_text(errors="replace"))
    child.stdin.close()
    assert child.wait(PATIENCE) == -signal.SIGKILL


async def test_a_model_that_llama_cpp_cannot_load(tmp_path: Path) -> None:
    """Its header reads well, but it holds no weights."""
    path = tmp_path / "empty.gguf"
    path.write_bytes(gguf())
    plan = plan_server(path, "empty", 1, threads=1)
    with pytest.raises(UserError) as caught:
        async with LocalServer(plan, KEY, tmp_path / "llama.log", lambda sentence: None):
            pass
    told = str(caught.value)
    assert told.startswith(f"llama.cpp cannot load {path}: ")
    assert "key not found in model" in told or "tokenizer" in told, told
    assert told.endswith(f"Its log is {tmp_path / 'llama.log'}.")


async def test_a_server_that_dies_says_so(smollm2: Path, tmp_path: Path) -> None:
    before = processes(os.getpid())
    async with LocalServer(small_plan(smollm2), KEY, tmp_path / "llama.log", lambda sentence: None) as server:
        (mine,) = processes(os.getpid()) - before
        waiting = asyncio.ensure_future(server.ended())
        await asyncio.sleep(0)
        assert not waiting.done()
        os.kill(mine, signal.SIGKILL)
        told = await asyncio.wait_for(waiting, PATIENCE)
    assert "ended (killed, perhaps out of memory)" in told
    assert str(tmp_path / "llama.log") in told
