"""The endpoints of a run: the user's own, the rehearsal server, or llama.cpp on this machine."""

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from agentbatch.config import REHEARSAL_CODER, REHEARSAL_CODERS, REHEARSAL_EVALUATOR, RoleSettings
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.access import Access
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.limits.quota import QuotaGate
from agentbatch.runs import events as e
from agentbatch.runs.quota_events import tell_quota
from agentbatch.runs.store.store import Store
from agentbatch.tasks.agents.role_models import RoleModelConfig
from agentbatch.tasks.agents.tool_modes import ToolModes
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.toolcalls.forms import TextForms

if TYPE_CHECKING:
    from agentbatch.local.server import LocalServer

LOCAL_REQUEST_TIMEOUT = 600.0
"""Seconds, with `--local` and no word from the user: a processor reads some 50 tokens a second, and other tasks'
prompts may be in front."""


async def start_local(
    prepared: PreparedRun, store: Store, key: str, stack: AsyncExitStack
) -> "LocalServer | None":
    """The server of `--local`, once its model is loaded."""
    if prepared.local is None:
        return None
    from agentbatch.local.server import LocalServer

    def report(sentence: str) -> None:
        store.emit(e.Notice(text=sentence, warning=False))

    return await stack.enter_async_context(
        LocalServer(prepared.local, key, store.folder.path / "llama.log", report)
    )


async def open_endpoints(
    prepared: PreparedRun, store: Store, server: "LocalServer | None", modes: ToolModes, stack: AsyncExitStack
) -> tuple[RoleModelConfig, RoleModelConfig, tuple[str, str]]:
    """Both roles' endpoints: one shared when they are the same, the rehearsal server when there is no key."""
    settings = prepared.settings
    roles = (settings.coder, settings.evaluator)
    apis = (roles[0].api, roles[1].api)
    local = (settings.coder_is_local, settings.evaluator_is_local)
    if server is not None:
        roles = (server.role if local[0] else roles[0], server.role if local[1] else roles[1])
    if settings.rehearsal:
        from agentbatch.rehearsal.library import sample_scripts  # brings aiohttp: only when it is needed
        from agentbatch.rehearsal.server import RehearsalServer

        named = settings.coder_model
        coder = named if REHEARSAL_CODERS.fullmatch(named) else REHEARSAL_CODER
        rehearsal = await stack.enter_async_context(RehearsalServer(sample_scripts()))
        roles = (
            RoleSettings(model=coder, base_url=rehearsal.base_url, api_key=roles[0].api_key),
            RoleSettings(model=REHEARSAL_EVALUATOR, base_url=rehearsal.base_url, api_key=roles[1].api_key),
        )
    endpoints: dict[tuple[str, ...], Endpoint] = {}
    configs: list[RoleModelConfig] = []
    names: tuple[e.Role, e.Role] = ("coder", "evaluator")
    for name, role, is_local, api in zip(names, roles, local, apis, strict=True):
        key = role.access
        if key not in endpoints:
            identity = server.identity if server is not None and is_local else role.base_url
            named_by = ", ".join(dict.fromkeys(one.named_by for one in roles if one.access == key))
            role = role.model_copy(update={"named_by": named_by})
            endpoint = _endpoint(prepared, role, store, modes, identity, is_local)
            endpoints[key] = await stack.enter_async_context(endpoint)
        pricing_url = None if settings.rehearsal else role.base_url
        config = RoleModelConfig(name, endpoints[key], role.model, pricing_url, api=api)
        if settings.rehearsal:
            config = replace(config, only_model=name != "coder", others=REHEARSAL_CODERS)
        elif server is not None and is_local:
            config = replace(config, context_window=server.plan.size.context, only_model=True)
        configs.append(config)
    return configs[0], configs[1], (roles[0].base_url, roles[1].base_url)


def _endpoint(
    prepared: PreparedRun,
    role: RoleSettings,
    store: Store,
    modes: ToolModes,
    identity: str,
    is_local: bool,
) -> Endpoint:
    settings = prepared.settings
    timeout = settings.request_timeout
    if is_local and "request_timeout" not in settings.model_fields_set:
        timeout = LOCAL_REQUEST_TIMEOUT
    in_flight = settings.max_in_flight or prepared.max_concurrent
    endpoint = Endpoint(
        role.base_url,
        role.api_key.get_secret_value(),
        access=Access.of(
            role,
            settings,
            folder=prepared.folder,
            environ=prepared.environ,
            on_key=store.redact.add,
            grounds=(task.root for task in prepared.plan.tasks),
        ),
        identity=identity,
        forms=TextForms(),
        limits=EndpointLimits(
            max_in_flight=in_flight, rpm=settings.rpm, tpm=settings.tpm, throttle_ms=settings.throttle_ms
        ),
        retry=RetryPolicy(max_retries=settings.max_retries, delay=settings.retry_delay),
        quota=QuotaGate(settings.wait_for_quota, partial(tell_quota, store.emit)),
        request_timeout=timeout,
        stream=not settings.no_stream,
        prompt_cache=settings.prompt_cache,
        redact=store.redact,
        named_by=role.named_by,
        on_learned=lambda sentence: store.emit(e.Notice(text=sentence)),
        on_tool_mode=lambda model, mode, why: modes.changed(endpoint, model, mode, why),
    )
    return endpoint
