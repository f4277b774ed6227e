"""What leaves the engine's process: to a collector over real HTTP, and to whoever scrapes the Prometheus endpoint."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.store.store import Store
from agentbatch.runs.telemetry.requested import asked_for, child_environment, open_port, telemetry_secrets
from agentbatch.runs.telemetry.telemetry import Telemetry
from tests.runs.telemetry.task_events import finished, queued, turn
from tests.support.collector import Collector, attributes
from tests.support.run_events import run_started

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}
KEY = "sk-a-key-that-stays-here"


@pytest.fixture
def collector(request: pytest.FixtureRequest) -> Iterator[Collector]:
    collector = Collector(getattr(request, "param", 200))
    yield collector
    collector.close()


async def play(
    tmp_path: Path, environ: Mapping[str, str], port: int | None = None, within: float = 60.0
) -> tuple[Store, str]:
    """A run of a task, whose id is a key. What the Prometheus endpoint says at its end, if it is asked for."""
    store = Store(create_run_folder(tmp_path, datetime(2026, 1, 2)), Redactor([KEY]))
    asked = asked_for(environ, port)
    telemetry = Telemetry(asked, store, environ, within=within)
    with open_port(asked) as listening:
        await telemetry.start(listening)
        number = listening.getsockname()[1] if listening is not None else 0
    store.listen(telemetry)
    name = f"t-{KEY}"
    events = [
        run_started(),
        queued(name),
        e.TaskStarted(task_id=name),
        *turn(name),
        finished(name, "error", "stalled"),
    ]
    for event in (*events, e.RunFinished()):
        store.emit(event)
    text = await scraped(number) if number else ""
    await telemetry.finish()
    await store.close()
    return store, text


async def scraped(port: int) -> str:
    """What the endpoint says once the run's end has come to it."""
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                text = await answer.text()
            if 'gen_ai_workflow_name="agentbatch"' in text:
                return text
            await asyncio.sleep(0.1)
    raise AssertionError(text)


async def test_a_collector_and_prometheus_get_the_run(tmp_path: Path, collector: Collector) -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer-of-mine",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    }
    store, text = await play(tmp_path, environ, port=0)
    assert [span.name for span in collector.spans] == [
        "chat m-coder", "execute_tool bash", "invoke_agent coder", "check verify", "chat m-judge",
        "invoke_agent evaluator", "invoke_workflow task", "invoke_workflow agentbatch",
    ]  # fmt: skip
    run, task = collector.named("invoke_workflow agentbatch")[0], collector.named("invoke_workflow task")[0]
    assert (task.parent_span_id, task.trace_id) == (run.span_id, run.trace_id)
    assert attributes(task)["agentbatch.task.id"] == "t-[redacted]"
    assert (task.status.code, attributes(task)["error.type"]) == (2, "stalled")
    assert collector.resources[0]["service.name"] == "agentbatch"
    assert collector.resources[0]["deployment.environment.name"] == "test"
    assert {headers["authorization"] for headers in collector.headers} == {"Bearer-of-mine"}
    usage = collector.metrics["gen_ai.client.token.usage"]
    assert usage.unit == "{token}"
    assert sum(point.sum for point in usage.histogram.data_points) == 240
    assert list(usage.histogram.data_points[0].explicit_bounds)[:3] == [1, 4, 16]
    assert KEY.encode() not in b"".join(collector.bodies) + text.encode()
    assert re.search(
        r'^agentbatch_cost_USD_total\{.*gen_ai_request_model="m-coder".*\} 0.25$', text, re.MULTILINE
    )
    assert re.search(
        r"^gen_ai_client_operation_duration_seconds_bucket\{.*error_type=\"429\"", text, re.MULTILINE
    )
    assert re.search(
        r'^agentbatch_task_ends_total\{.*agentbatch_task_reason="stalled".*\} 1.0$', text, re.MULTILINE
    )
    assert store.state.notices == []
    assert "Bearer-of-mine" not in (store.folder.path / "run.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("collector", "told"),
    [
        (400, "Telemetry: the collector at 127.0.0.1 answered 400."),
        (302, "Telemetry: the collector at 127.0.0.1 answered 302."),
        ("endless", "Telemetry: nothing could be sent to the collector at 127.0.0.1: there was no answer."),
    ],
    indirect=["collector"],
)
async def test_a_collector_that_refuses_is_told_once(tmp_path: Path, collector: Collector, told: str) -> None:
    store, _ = await play(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    assert store.state.notices == [told, "Telemetry: 8 spans and values dropped."]


@pytest.mark.parametrize("collector", [None], indirect=True)
async def test_a_collector_that_never_answers_is_left_alone_at_the_end(
    tmp_path: Path, collector: Collector
) -> None:
    store, _ = await play(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, within=2.0)
    assert store.state.notices == ["Telemetry: the collector did not take the last of it in time."]


async def test_a_process_that_ends_takes_nothing_with_it(tmp_path: Path, collector: Collector) -> None:
    """Killed from outside, for instance: the run goes on, and says what was lost."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    store = Store(create_run_folder(tmp_path, datetime(2026, 1, 2)), Redactor([]))
    telemetry = Telemetry(asked_for(environ), store, environ)
    await telemetry.start(None)
    assert telemetry.process is not None
    telemetry.process.kill()
    await telemetry.process.wait()
    store.listen(telemetry)
    for event in (run_started(), e.RunFinished()):
        store.emit(event)
    await telemetry.finish()
    await store.close()
    assert store.state.notices == ["Telemetry: 1 span or value dropped."]


async def test_settings_that_mean_nothing_are_told(tmp_path: Path) -> None:
    store, _ = await play(tmp_path, ENDPOINT | {"OTEL_METRIC_EXPORT_INTERVAL": "0"})
    assert store.state.notices[0].startswith("Telemetry: it has ended: ValueError: interval value 0")


def test_no_key_is_in_the_environment_of_the_process() -> None:
    kept = {"OTEL_X": "1", "PATH": "/bin", "https_proxy": "p", "SSL_CERT_FILE": "f"}
    left_out = {"OPENAI_API_KEY": "k", "AGENTBATCH_NOTIFY": "n", "CODER_HEADERS": "h"}
    assert child_environment(kept | left_out) == kept
    assert telemetry_secrets({"OTEL_EXPORTER_OTLP_HEADERS": "a=Bearer x, b=c=d", "OTHER": "x=y"}) == [
        "Bearer x",
        "c=d",
    ]


def test_without_the_extra_a_flag_is_refused_and_a_variable_is_told() -> None:
    def nothing(_: str) -> bool:
        return False

    with pytest.raises(
        UserError, match=r"^--metrics-port needs OpenTelemetry: pip install 'agentbatch\[otel\]'\.$"
    ):
        asked_for({}, 9464, installed=nothing)
    asked = asked_for(ENDPOINT, installed=nothing)
    assert not asked.anything
    assert len(asked.notices) == 1
    assert asked.notices[0].endswith("pip install 'agentbatch[otel]'.")


async def test_what_cannot_be_had_is_told_once_the_run_has_begun(tmp_path: Path) -> None:
    environ = ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    store, _ = await play(tmp_path, environ)
    assert len(store.state.notices) == 2  # traces and metrics
    assert store.state.info is not None


def test_a_port_that_is_taken_is_named() -> None:
    with open_port(asked_for({}, 0)) as port:
        assert port is not None
        with pytest.raises(UserError, match=r"--metrics-port \d+: 127.0.0.1 cannot be listened on: .*in use"):
            open_port(asked_for({}, port.getsockname()[1]))


@pytest.mark.parametrize(
    ("environ", "traces", "metrics", "content"),
    [
        ({}, False, False, False),
        ({"OTEL_SERVICE_NAME": "x"}, False, False, False),
        (ENDPOINT, True, True, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/x"}, True, False, False),
        (ENDPOINT | {"OTEL_METRICS_EXPORTER": "none"}, True, False, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "console,otlp"}, True, True, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4318"}, False, False, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False, False, False),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False, False, False),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
         True, False, False),
        (ENDPOINT | {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}, True, True, True),
        (ENDPOINT | {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "event_only"}, True, True, False),
    ],
)  # fmt: skip
def test_the_usual_variables_say_what_is_sent(
    environ: dict[str, str], traces: bool, metrics: bool, content: bool
) -> None:
    asked = asked_for(environ)
    assert (asked.traces, asked.metrics, asked.content) == (traces, metrics, content)
    assert bool(asked.notices) == bool({"grpc", "c:4318"} & set(environ.values()))
