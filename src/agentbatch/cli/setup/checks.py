"""What `agentbatch doctor` looks at. The model client comes with this module: import it late."""

import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from agentbatch.cli.setup import local_checks
from agentbatch.cli.setup.check import Check
from agentbatch.cli.setup.cluster_checks import cluster_checks
from agentbatch.cli.setup.coder_check import coder_check
from agentbatch.cli.setup.container_checks import in_containers
from agentbatch.config import RoleSettings, Settings
from agentbatch.errors import UserError
from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.access import Access
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.reply import ModelError
from agentbatch.model.tokens import TokenCounter
from agentbatch.redaction import Redactor, shown_url
from agentbatch.tasks.agents.tool_modes import PROBE_TOKENS, keep
from agentbatch.tasks.coders.builtin.definition import load_coder
from agentbatch.tasks.coders.builtin.toolbox import select_tools
from agentbatch.toolcalls.forms import TextForms
from agentbatch.toolcalls.probe import probe_tools
from agentbatch.toolcalls.remembered import ToolModeMemory, memory_file
from agentbatch.workspace.preparation import ENGINES, choose_here
from agentbatch.workspace.tools.toolbox import specs

LOW_DISK = 1024**3
"""Bytes free below which a run may not be able to store itself."""

ANSWER_TOKENS = 1000
"""Of an answer to one of the questions: enough for a thought before it, and bounded for a model that rambles."""

ANSWER_SCHEMA = (
    "answer",
    {
        "type": "object",
        "properties": {"answer": {"type": "integer"}},
        "required": ["answer"],
        "additionalProperties": False,
    },
)


async def checks(
    settings: Settings,
    folder: Path,
    *,
    machine: bool = False,
    coder: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> AsyncIterator[Check]:
    """`machine`: also what local models need; `coder`: also a task through the coder, of which `tell` is given each
    step."""
    yield Check("ok", "python", sys.version.split()[0])
    if machine or settings.local is not None:
        for check in local_checks.machine_checks():
            yield check
    if settings.local is not None:
        async for check in _local(settings, folder):
            yield check
    elif settings.rehearsal:
        yield Check(
            "warn",
            "keys",
            "no key is set: runs use the rehearsal model (scripted replies, no AI). Set CODER_API_KEY and "
            "EVALUATION_API_KEY, or OPENAI_API_KEY.",
        )
    else:
        judged = settings.judge == "model"
        yield Check("ok", "keys", "both roles have one" if judged else "the coder has one")
        for name, role in (("coder", settings.coder), ("evaluator", settings.evaluator))[: 1 + judged]:
            async for check in _role(name, role, settings, folder):
                yield check
    yield await asyncio.to_thread(_sandbox, settings, folder, tell)
    if settings.cluster is not None:
        async for check in cluster_checks(settings, os.environ):
            yield check
    yield await _tokenizer()
    yield _disk(folder)
    if coder:
        yield await coder_check(settings, folder, tell)


async def _local(settings: Settings, folder: Path) -> AsyncIterator[Check]:
    """The local model really started, and the role that is played elsewhere, if any."""
    key = secrets.token_urlsafe(24)
    try:
        async with local_checks.started(settings, folder, key) as server:
            yield Check("ok", "local model", server.plan.describe())
            yield await local_checks.speed(server, settings)
            name = "coder" if settings.coder_is_local else "evaluator"
            async for check in _role(name, server.role, settings, folder, server.identity):
                yield check
    except UserError as error:
        yield Check("fail", "local model", str(error))
    for name, role, here in (
        ("coder", settings.coder, settings.coder_is_local),
        ("evaluator", settings.evaluator, settings.evaluator_is_local),
    ):
        if not here and (name == "coder" or settings.judge == "model"):
            async for check in _role(name, role, settings, folder):
                yield check


async def _role(
    name: str, role: RoleSettings, settings: Settings, folder: Path, identity: str = ""
) -> AsyncIterator[Check]:
    api = (settings.coder if name == "coder" else settings.evaluator).api
    redact = Redactor([*settings.secrets, role.api_key.get_secret_value()])
    try:
        access = Access.of(role, settings, folder=folder, environ=os.environ, on_key=redact.add)
    except UserError as error:
        yield Check("fail", f"{name} endpoint", str(error))
        return
    endpoint = Endpoint(
        role.base_url,
        role.api_key.get_secret_value(),
        access=access,
        identity=identity,
        forms=TextForms(),
        limits=EndpointLimits(max_in_flight=1, rpm=settings.rpm, tpm=settings.tpm),
        retry=RetryPolicy(max_retries=0, delay=0.0),
        request_timeout=settings.request_timeout,
        stream=not settings.no_stream,
        pool=1,
        redact=redact,
    )
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(endpoint)
        except UserError as error:
            yield Check("fail", f"{name} endpoint", str(error))
            return
        client = ModelClient(endpoint, role.model, max_output_tokens=ANSWER_TOKENS, api=api)
        answered = False
        async for check in _answers(name, client):
            answered = answered or check.result == "ok"
            yield check
        if answered:
            if name == "coder":
                yield await _tools(client, settings, folder)
            yield await _schema(name, client)


async def _answers(name: str, client: ModelClient) -> AsyncIterator[Check]:
    try:
        reply = await client.complete([{"role": "user", "content": "Say hello in one word."}])
    except ModelError as error:
        reached = "ok" if error.status is not None else "fail"
        if reached == "ok":
            yield Check("warn", f"{name} endpoint", f"reached, answered {error.status}")
        yield Check("fail", f"{name} model", str(error))
        return
    api = client.apis(client.endpoint.capabilities(client.model))[0]
    asked = "the Responses API" if api == "responses" else "chat completions"
    yield Check("ok", f"{name} endpoint", f"{shown_url(client.endpoint.base_url)}, {asked}")
    detail = f"{client.model} answered in {reply.latency:.1f} s"
    if not reply.content.strip():
        yield Check("warn", f"{name} model", detail + ", with an empty reply")
    yield Check("ok", f"{name} model", detail)
    if reply.usage.estimated:
        yield Check("warn", f"{name} usage", "the endpoint reports no token counts: they are estimated (≈)")


async def _tools(client: ModelClient, settings: Settings, folder: Path) -> Check:
    """How the coder's model calls tools: found out again, and remembered for later runs."""
    name = "coder tools"
    tools = specs(select_tools(load_coder(folder).tools))
    if not any(spec["function"]["name"] == "write_file" for spec in tools):
        return Check("warn", name, "not tried: agents/coder.toml leaves write_file out")
    memory = ToolModeMemory(memory_file(os.environ))
    client = ModelClient(client.endpoint, client.model, max_output_tokens=PROBE_TOKENS, api=client.api)
    known = memory.get(client.endpoint.identity, client.model)
    try:
        probe = await probe_tools(client, tools)
    except ModelError as error:
        return Check("fail", name, str(error))
    keep(memory, client.endpoint, client.model, probe)
    before = f"; was {known.mode} on {known.at:%Y-%m-%d}" if known and known.mode != probe.mode else ""
    chosen = "" if settings.tool_mode == "auto" else f"; --tool-mode {settings.tool_mode} overrides it"
    detail = f"{probe.mode} mode: {probe.summary}{before}{chosen}"
    return Check("ok" if probe.works else "warn", name, detail)


async def _schema(name: str, client: ModelClient) -> Check:
    question = {"role": "user", "content": 'What is 3 + 4? Answer as JSON: {"answer": number}.'}
    try:
        reply = await client.complete([question], schema=ANSWER_SCHEMA)
    except ModelError as error:
        return Check("fail", f"{name} json_schema", str(error))
    mode = client.endpoint.capabilities(client.model).output_form
    if '"answer"' not in reply.content:
        return Check("warn", f"{name} json_schema", f"the answer does not fit the schema ({mode})")
    return Check("ok" if mode == "json_schema" else "warn", f"{name} json_schema", f"structured by {mode}")


def _sandbox(settings: Settings, folder: Path, tell: Callable[[str], None]) -> Check:
    try:
        if settings.image is not None or settings.sandbox in ENGINES:
            return Check("ok", "sandbox", in_containers(settings, folder, os.environ, tell))
        choice = choose_here(settings.sandbox)
    except (OSError, UserError) as error:
        return Check("fail", "sandbox", str(error))
    if choice.warning:
        return Check("warn", "sandbox", choice.warning)
    unfiltered = "" if choice.filter or choice.binary is None else ", which filters no system calls here"
    return Check("ok", "sandbox", choice.name + (f" ({choice.binary})" if choice.binary else "") + unfiltered)


async def _tokenizer() -> Check:

    if await TokenCounter().available():
        return Check("ok", "tokenizer", "tiktoken counts where an endpoint does not")
    return Check(
        "warn",
        "tokenizer",
        "tiktoken's vocabulary cannot be loaded here; where an endpoint counts no tokens, bytes/4 does (≈)",
    )


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1024**3:.1f} GB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Check("fail", "disk", f"{folder} is not writable: results and .agentbatch go there")
    return Check("ok" if free > LOW_DISK else "warn", "disk", detail)
