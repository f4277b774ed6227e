"""The rehearsal server: an OpenAI-compatible endpoint on loopback with scripted replies."""

import asyncio
import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from agentbatch.rehearsal.answer import completion
from agentbatch.rehearsal.apis.api import ParsedRequest
from agentbatch.rehearsal.apis.paths import APIS, COUNT_TOKENS, api_at
from agentbatch.rehearsal.counting import PrefixCache
from agentbatch.rehearsal.faults.batch_service import PATHS as SERVICE_PATHS
from agentbatch.rehearsal.faults.batch_service import BatchServiceOptions, batch_service_of
from agentbatch.rehearsal.faults.faults import play_fault
from agentbatch.rehearsal.faults.rate import RateWindow
from agentbatch.rehearsal.faults.refusals import Dialect, Problem, Refusal, find_refused
from agentbatch.rehearsal.plain.answers import PATHS, parse_plain
from agentbatch.rehearsal.plain.endpoint import Plain, PlainEndpoint
from agentbatch.rehearsal.rehearsal_model import RehearsalModel
from agentbatch.rehearsal.script import Fault, Script
from agentbatch.rehearsal.streaming import Streaming, stream_answer
from agentbatch.rehearsal.wire import json_response, key_of, make_request, models
from agentbatch.usage import Usage


@dataclass
class RecordedRequest:
    """One received request, for a test's assertions."""

    at: float
    """time.monotonic() at its arrival."""
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]
    """Empty when it was not a JSON object."""
    status: int | None = None
    """None while it is in flight, and for good if no answer was sent (hang, disconnect)."""


class RehearsalServer:
    """Serves scripts over real HTTP, in the current event loop, on 127.0.0.1. An async context manager.

    `latency`: seconds before every scripted answer. `key`: any other gets 401. `refuse`: parameters that get 400, in
    the shape of `dialect`. `faults`: consumed by the first chat requests, whatever they are. `rpm`: requests a minute,
    counted over `rate_window` seconds; above it 429 with Retry-After. `max_in_flight`: concurrent chat requests; above
    it 429. `context_window`: tokens; above it 400 context_length_exceeded. `streaming`: how requested streams are sent.
    `any_model`: serve every model name; with tools or "coder" in the name it is the coder. `plain`: answer every
    request as a plain one, without scripts, by its options. `batch_service`: like a provider's. `record`: latest
    requests kept; 0: none.
    """

    def __init__(
        self,
        scripts: Sequence[Script] = (),
        *,
        latency: float = 0.0,
        key: str | None = None,
        refuse: Collection[Refusal] = (),
        dialect: Dialect = "openai",
        faults: Sequence[Fault] = (),
        rpm: int | None = None,
        rate_window: float = 60.0,
        max_in_flight: int | None = None,
        context_window: int | None = None,
        streaming: Streaming | None = None,
        any_model: bool = False,
        plain: bool | Plain = False,
        batch_service: bool | BatchServiceOptions = False,
        record: int = 10_000,
        port: int = 0,
    ) -> None:
        self.requests: list[RecordedRequest] = []
        self.in_flight = 0
        self.peak_in_flight = 0
        """The maximum of concurrent chat requests."""
        self.given: dict[str, Usage] = {}
        """What the scripted answers told that they took, by model."""
        self._model = RehearsalModel(scripts, any_model=any_model)
        self.latency = latency
        """Of what comes from now on: it may be changed."""
        self._key = key
        self._refuse = tuple(refuse)
        self._dialect: Dialect = dialect
        self._faults = [fault for fault in faults for _ in range(fault.times)]
        self._rate = None if rpm is None else RateWindow(rpm * rate_window / 60, rate_window)
        self._max_in_flight = max_in_flight
        self._context_window = context_window
        self._streaming = streaming or Streaming()
        self.plain = PlainEndpoint(plain if isinstance(plain, Plain) else Plain()) if plain else None
        self.service = batch_service_of(batch_service)
        self._record = record
        self._port = port
        self._cache = PrefixCache()
        self._answered = 0
        self._runner: web.ServerRunner | None = None

    def add(self, script: Script) -> None:
        self._model.add(script)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> Self:
        # The low-level server: no router, no middlewares, half the CPU per request.
        server = web.Server(
            self._handle,
            request_factory=make_request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=600.0,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=2048).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        recorded = self._record_request(request)
        try:
            response = await self._route(request, recorded)
        except ConnectionResetError:  # the client disconnected before the answer began
            response = None
        if response is None:
            # The connection is closed: aiohttp notices when it writes, and silently ends the handler.
            return web.Response()
        if recorded is not None:
            recorded.status = response.status
        return response

    def _record_request(self, request: web.BaseRequest) -> RecordedRequest | None:
        if not self._record:
            return None
        headers = {name.lower(): value for name, value in request.headers.items()}
        recorded = RecordedRequest(time.monotonic(), request.path, headers, {})
        self.requests.append(recorded)
        if len(self.requests) > self._record:
            del self.requests[0]
        return recorded

    async def _route(
        self, request: web.BaseRequest, recorded: RecordedRequest | None
    ) -> web.StreamResponse | None:
        path, method = request.path, request.method
        if path == "/health":
            return json_response(200, {"status": "ok"})
        if self._key is not None and key_of(request) != self._key:
            message = "Incorrect API key provided. The rehearsal server was started with another key."
            return self._problem(request, Problem(401, message, code="invalid_api_key"))
        if path == "/v1/models" and method == "GET":
            return json_response(200, models())
        if self.service is not None and path.startswith(SERVICE_PATHS):
            return await self.service.handle(request)
        if method == "POST" and (path in APIS or (self.plain is not None and path in PATHS)):
            self.in_flight += 1
            self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
            try:
                return await self._chat(request, recorded)
            finally:
                self.in_flight -= 1
        return self._problem(request, Problem(404, f"Invalid URL ({method} {path})"))

    async def _chat(
        self, request: web.BaseRequest, recorded: RecordedRequest | None
    ) -> web.StreamResponse | None:
        content = await request.read()
        if self.plain is not None:
            return await self._play_plain(self.plain, request, content, recorded)
        asked = api_at(request.path).read(content)
        if recorded is not None and not isinstance(asked, Problem):
            recorded.body = asked.body
        if self._faults:
            return await self._fault(self._faults.pop(0), request, asked)
        limited = self._over_limit(request)
        if limited is not None:
            return limited
        if isinstance(asked, Problem):
            return self._problem(request, asked)
        return await self._answer(request, asked)

    async def _fault(
        self, fault: Fault, request: web.BaseRequest, asked: ParsedRequest | Problem
    ) -> web.StreamResponse | None:
        streams = not isinstance(asked, Problem) and self._streams(asked)
        return await play_fault(
            fault, request, self._dialect, asked if streams and isinstance(asked, ParsedRequest) else None
        )

    async def _play_plain(
        self, plain: PlainEndpoint, request: web.BaseRequest, content: bytes, recorded: RecordedRequest | None
    ) -> web.StreamResponse | None:
        body = parse_plain(content)
        if recorded is not None and not isinstance(body, Problem):
            recorded.body = body
        fault = self._faults.pop(0) if self._faults else plain.next_fault()
        if fault is not None:
            return await play_fault(fault, request, self._dialect)
        limited = self._over_limit(request)
        if limited is not None:
            return limited
        problem = body if isinstance(body, Problem) else find_refused(body, self._refuse, self._dialect)
        if problem is not None:
            return self._problem(request, problem)
        assert not isinstance(body, Problem)
        answered, headers = plain.answer(request.path, body, time.monotonic())
        if isinstance(answered, Problem):
            return self._problem(request, answered, headers)
        await asyncio.sleep(self.latency)
        return json_response(200, answered, headers)

    def _streams(self, asked: ParsedRequest) -> bool:
        return bool(asked.body.get("stream")) and not self._streaming.ignored

    async def _answer(self, request: web.BaseRequest, asked: ParsedRequest) -> web.StreamResponse | None:
        body, api = asked.chat, api_at(request.path)
        messages, tools = body["messages"], body.get("tools")
        role = self._model.role(body["model"], body)
        if role is None:
            message = f"The model `{body['model']}` does not exist or you do not have access to it."
            return self._problem(request, Problem(404, message, param="model", code="model_not_found"))
        refused = find_refused({"messages": messages, **asked.body}, self._refuse, self._dialect)
        if refused is not None:
            return self._problem(request, refused)
        if request.path == COUNT_TOKENS:
            return json_response(200, {"input_tokens": self._cache.count(None, messages, tools).total})
        turn = self._model.turn(
            role, messages, native=bool(tools), tools=tools, model=body["model"], seed=body.get("seed")
        )
        if isinstance(turn, Problem):
            return self._problem(request, turn)
        prompt = self._cache.count(turn.conversation, messages, tools)
        if self._context_window is not None and prompt.total > self._context_window:
            return self._problem(request, _overflow(prompt.total, self._context_window))
        if isinstance(turn.answer, Fault):
            return await self._fault(turn.answer, request, asked)
        latency = self.latency + turn.answer.delay
        self._answered += 1
        answered = completion(
            turn.answer,
            number=self._answered,
            created=int(time.time()),
            model=body["model"],
            step=turn.step,
            native=bool(tools),
            prompt=prompt,
            first_call=turn.first_call,
            messages=messages,
        )
        self._count(body["model"], answered)
        if self._streams(asked):
            streaming = self._streaming
            said = list(api.events(answered, asked, usage=streaming.usage, tokens=streaming.tokens_per_chunk))
            said += [api.done] if streaming.done and api.done else []
            return await stream_answer(request, said, streaming, latency)
        await asyncio.sleep(latency)
        return json_response(200, api.whole(answered, asked))

    def _count(self, model: str, answered: Mapping[str, Any]) -> None:
        if told := answered.get("usage"):
            cached = told["prompt_tokens_details"]["cached_tokens"]
            usage = Usage(
                input=told["prompt_tokens"], cached=cached, output=told["completion_tokens"], calls=1
            )
            self.given[model] = self.given.get(model, Usage()) + usage

    def _over_limit(self, request: web.BaseRequest) -> web.Response | None:
        if self._max_in_flight is not None and self.in_flight > self._max_in_flight:
            wait = 0.05
            message = f"Too many concurrent requests: this endpoint allows {self._max_in_flight}."
        elif wait := self._rate.take(time.monotonic()) if self._rate is not None else 0.0:
            message = f"Rate limit reached on requests per min (RPM). Please try again in {wait:.3f}s."
        else:
            return None
        headers = {"Retry-After": str(math.ceil(wait)), "retry-after-ms": str(math.ceil(wait * 1000))}
        return self._problem(
            request, Problem(429, message, type="requests", code="rate_limit_exceeded"), headers
        )

    def _problem(
        self, request: web.BaseRequest, problem: Problem, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        return json_response(problem.status, api_at(request.path).error(problem, self._dialect), headers)


def _overflow(used: int, window: int) -> Problem:
    message = (
        f"This model's maximum context length is {window} tokens. However, your messages resulted in {used} "
        "tokens. Please reduce the length of the messages."
    )
    return Problem(400, message, param="messages", code="context_length_exceeded")
