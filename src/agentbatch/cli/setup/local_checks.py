"""What `agentbatch doctor --local` looks at: llama.cpp, the machine, the models on it, and how fast one is."""

import contextlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2

from agentbatch.cli.setup.check import Check
from agentbatch.config import Settings
from agentbatch.errors import UserError
from agentbatch.local.gguf import read_header
from agentbatch.local.machine import this_machine
from agentbatch.local.models_folder import downloaded_models, find_model, models_folder
from agentbatch.local.server import LocalServer
from agentbatch.local.server_plan import ServerPlan, llama_version, plan_server, weights
from agentbatch.local.sizing import gigabytes, size_server

QUESTION = (
    "Here is a list of words: " + "apple river stone cloud paper glass lemon tiger " * 24 + "\n"
    "Write one short sentence with each of the first eight."
)
"""Some 250 tokens to read: enough to time."""

ANSWER_TOKENS = 64


def machine_checks() -> Iterator[Check]:
    """llama.cpp, processor, memory, and the models that are here."""
    try:
        yield Check("ok", "llama.cpp", f"xllamacpp {llama_version()}")
    except UserError as error:
        yield Check("fail", "llama.cpp", str(error))
    machine = this_machine()
    yield Check("ok", "cores", f"{machine.threads} to compute on")
    memory = f"{gigabytes(machine.memory_available)} of {gigabytes(machine.memory_total)} GB available"
    yield Check("ok", "memory", memory)
    folder = models_folder(os.environ)
    found = downloaded_models(folder)
    if not found:
        yield Check("warn", "models", f"none in {folder}; `agentbatch models` lists some to download")
    for path in found.values():
        try:
            header = read_header(path)
            size = size_server(header, machine, slots=1)
        except UserError as error:
            yield Check("warn", "model here", f"{path.name}: {error}")
            continue
        shown = f"{weights(header.parameters)}, {gigabytes(header.file_bytes)} GB"
        yield Check("ok", "model here", f"{path.name}: {shown}, fits with {size.context:,} tokens")


@contextlib.asynccontextmanager
async def started(settings: Settings, folder: Path, api_key: str) -> AsyncIterator[LocalServer]:
    """The server of `--local`, with one slot, for as long as the checks take. Raises UserError."""
    plan = _plan(settings, folder)
    with tempfile.TemporaryDirectory(prefix="agentbatch-") as place:
        async with LocalServer(plan, api_key, Path(place) / "llama.log", lambda sentence: None) as server:
            yield server


def _plan(settings: Settings, folder: Path) -> ServerPlan:
    name, path = find_model(settings.local or "", folder, os.environ)
    return plan_server(path, name, 1, context=settings.local_context, threads=settings.local_threads)


async def speed(server: LocalServer, settings: Settings) -> Check:
    """One question, and how fast the model read it and wrote the answer."""
    body = {
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": ANSWER_TOKENS,
        "ignore_eos": True,
    }
    headers = {"Authorization": f"Bearer {server.api_key}"}
    try:
        async with httpx2.AsyncClient(timeout=settings.request_timeout, trust_env=False) as client:
            answer = await client.post(f"{server.base_url}/chat/completions", json=body, headers=headers)
        timings = json.loads(answer.content)["timings"]
        reads, writes = float(timings["prompt_per_second"]), float(timings["predicted_per_second"])
    except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
        return Check("fail", "local speed", f"no answer to a first question ({type(error).__name__})")
    return Check(
        "ok", "local speed", f"reads {reads:.0f} and writes {writes:.1f} tokens/s, one request at a time"
    )
