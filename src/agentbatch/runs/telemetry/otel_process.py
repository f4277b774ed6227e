"""Hands spans and measures to OpenTelemetry, in a process of its own: a collector may be down, slow or hostile.

Run as a file. Lines of JSON on stdin, the first of them says what is wanted; the end of stdin is the end of the run, or
that its engine was killed. Nothing of agentbatch is imported.

{"version": V, "traces": BOOL, "metrics": BOOL, "listen": FD, "instruments": {NAME: {...}}}
{"spans": [...], "measures": [[NAME, [VALUE, ...], {...}], ...]}
on stdout: {"problem": SENTENCE}, {"lost": N}
"""

import contextlib
import json
import logging
import os
import resource
import socket
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import make_server

import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer, _SilentHandler

MEMORY = 2_000_000_000
"""Bytes of address space."""

MAX_REPLY = 100_000
"""Bytes of a collector's answer that are read."""

WITHIN = 4.0
"""Seconds that the end takes at most."""

WITHIN_REFUSED = 1.0
"""The same, where the collector has not taken what came before."""


def tell(**fields: Any) -> None:
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(fields).encode() + b"\n")


class Session(requests.Session):
    """As the exporters use it; an answer is bounded in size and time, and a redirection is no success."""

    def __init__(self, told: set[str]) -> None:
        super().__init__()
        self._told = told

    def send(self, request: requests.PreparedRequest, **keywords: Any) -> requests.Response:
        host = urlsplit(request.url or "").hostname or "its address"
        try:
            response = super().send(request, **{**keywords, "stream": True})
            response._content = _bounded(response, time.monotonic() + float(keywords.get("timeout") or 10.0))
        except Exception:
            self._say(f"nothing could be sent to the collector at {host}: there was no answer.")
            raise
        if not 200 <= response.status_code < 300:
            self._say(f"the collector at {host} answered {response.status_code}.")
        if 300 <= response.status_code < 400:
            response.status_code = 599
        return response

    def _say(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            tell(problem=problem)


def _bounded(response: Any, until: float) -> bytes:
    body = b""
    for part in response.iter_content(16_384):
        body += part
        if len(body) > MAX_REPLY or time.monotonic() > until:
            response.close()
            raise requests.exceptions.InvalidSchema("the answer has no end")
    return body


class Spans(OTLPSpanExporter):
    """Counts what was delivered."""

    delivered = 0

    def export(self, spans: Any) -> SpanExportResult:
        result = super().export(spans)
        if result is SpanExportResult.SUCCESS:
            self.delivered += len(spans)
        return result


class Ids(IdGenerator):
    """Gives the ids that the engine has chosen."""

    trace_id = span_id = 1

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class Tracer:
    def __init__(self, version: str, about: Resource, told: set[str]) -> None:
        self._ids = Ids()
        self._exporter = Spans(session=Session(told))
        self._provider = TracerProvider(resource=about, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("agentbatch", version)
        self._taken = 0

    def take(self, span: dict[str, Any]) -> None:
        self._ids.trace_id, self._ids.span_id = (int(digits, 16) for digits in span["place"])
        above = span.get("parent")
        around = trace.set_span_in_context(self._remote(above) if above else trace.INVALID_SPAN)
        made = self._tracer.start_span(
            span["name"],
            around,
            trace.SpanKind.CLIENT if span["kind"] == "client" else trace.SpanKind.INTERNAL,
            span.get("attributes"),
            [trace.Link(self._remote(place).get_span_context()) for place in span.get("links", ())],
            int(span["start"] * 1e9),
        )
        for name, ts, attributes in span.get("events", ()):
            made.add_event(name, attributes, int(ts * 1e9))
        if span.get("error"):
            made.set_status(trace.StatusCode.ERROR, span["error"])
        self._taken += made.get_span_context().trace_flags.sampled
        made.end(int(span["end"] * 1e9))

    def _remote(self, place: list[str]) -> trace.NonRecordingSpan:
        """Another span; whether it is sampled follows from its trace, as for those of other processes."""
        number = int(place[0], 16)
        chosen = self._provider.sampler.should_sample(None, number, "").decision is Decision.RECORD_AND_SAMPLE
        return trace.NonRecordingSpan(
            trace.SpanContext(number, int(place[1], 16), True, trace.TraceFlags(int(chosen)))
        )

    def end(self) -> None:
        self._provider.shutdown()

    @property
    def lost(self) -> int:
        return self._taken - self._exporter.delivered


class Meter:
    def __init__(self, wanted: dict[str, Any], about: Resource, told: set[str]) -> None:
        readers: list[MetricReader] = []
        if wanted["metrics"]:
            readers.append(PeriodicExportingMetricReader(OTLPMetricExporter(session=Session(told))))
        if wanted["listen"] is not None:
            registry = CollectorRegistry()
            readers.append(PrometheusMetricReader(registry=registry, scope_info_enabled=False))
            _serve(wanted["listen"], registry)
        self._provider = MeterProvider(readers, about, shutdown_on_exit=False)
        meter = self._provider.get_meter("agentbatch", wanted["version"])
        self._instruments = {name: _take_by(meter, name, one) for name, one in wanted["instruments"].items()}

    def take(self, name: str, values: list[float], attributes: dict[str, Any]) -> None:
        for value in values:
            self._instruments[name](value, attributes)

    def end(self) -> None:
        self._provider.shutdown(WITHIN * 1000)


def _take_by(meter: Any, name: str, one: dict[str, Any]) -> Any:
    words = {"unit": one["unit"], "description": one["description"]}
    if one["kind"] == "histogram":
        return meter.create_histogram(
            name, **words, explicit_bucket_boundaries_advisory=one["buckets"]
        ).record
    if one["kind"] == "counter":
        return meter.create_counter(name, **words).add
    return meter.create_gauge(name, **words).set


def _serve(descriptor: int, registry: CollectorRegistry) -> None:
    listening = socket.socket(fileno=descriptor)

    class Server(ThreadingWSGIServer):
        address_family = listening.family

        def server_bind(self) -> None:
            """It is bound already."""
            self.socket.close()
            self.socket = listening
            self.server_name, self.server_port = listening.getsockname()[:2]
            self.setup_environ()

    class Handler(_SilentHandler):
        timeout = 10.0
        """Seconds that a request may take to come."""

    address = listening.getsockname()
    server = make_server(address[0], address[1], make_wsgi_app(registry), Server, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _resource(version: str) -> Resource:
    """Of this service, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES name it."""
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return Resource.create({"service.version": version} | ({} if named else {"service.name": "agentbatch"}))


def main() -> None:
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
    wanted = json.loads(sys.stdin.readline() or "null")
    if wanted is None:
        return
    told: set[str] = set()
    about = _resource(wanted["version"])
    meter = Meter(wanted, about, told)
    tracer = Tracer(wanted["version"], about, told) if wanted["traces"] else None
    for line in sys.stdin:
        message = json.loads(line)
        if tracer is not None:
            for span in message["spans"]:
                tracer.take(span)
        for measure in message["measures"]:
            meter.take(*measure)
    ends = [threading.Thread(target=one.end, daemon=True) for one in (meter, tracer) if one is not None]
    for thread in ends:
        thread.start()
    until = time.monotonic() + (WITHIN if not told else WITHIN_REFUSED)
    for thread in ends:
        thread.join(max(0.0, until - time.monotonic()))
    if tracer is not None and tracer.lost:
        tell(lost=tracer.lost)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001  # a border: what OTEL_* variables say may be anything
        tell(problem=f"it has ended: {type(error).__name__}: {str(error).rstrip('.')}.")
    os._exit(0)  # threads of the exporters that still wait are not waited for
