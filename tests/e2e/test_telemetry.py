"""The installed command under a collector: killed in the middle of attempts, resumed; and a batch of plain requests."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Command
from tests.support.collector import Collector, attributes
from tests.support.commands import start
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


async def test_a_killed_run_and_its_resumption_are_two_linked_traces(
    folder: Path, environ: dict[str, str], agentbatch: Command, collector: Collector
) -> None:
    telemetry = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    agentbatch("init")
    go = folder.parent / "go"
    document = json.loads((folder / "task.json").read_text())
    document["tasks"][2]["verify"] = f"until [ -e {go} ]; do sleep 0.05; done"  # else it may be over by then
    (folder / "task.json").write_text(json.dumps(document))
    words = ("--test", "--display", "none", "--attempts", "2", "--stop-at", "all", "--isolation", "copy",
             "--sandbox", "none")  # fmt: skip
    killed = start(*words, cwd=folder, env=environ | telemetry)
    wait_until(lambda: len(collector.spans) >= 6)
    killed.send_signal(signal.SIGKILL)
    await killed.wait()
    go.touch()
    assert agentbatch("resume", "--display", "none", **telemetry).returncode == 0

    by_id = {span.span_id: span for span in collector.spans}
    assert len(by_id) == len(collector.spans)
    (run,) = collector.named("invoke_workflow agentbatch")
    second = [span for span in collector.spans if span.trace_id == run.trace_id]
    first = {span.trace_id for span in collector.spans} - {run.trace_id}
    assert [link.trace_id for link in run.links] == list(first)
    assert [span.name for span in second if span is not run and span.parent_span_id not in by_id] == []
    attempts = [span for span in second if span.name == "invoke_workflow attempt"]
    assert len(attempts) == 6
    for attempt in attempts:
        task = by_id[attempt.parent_span_id]
        assert task.name == "invoke_workflow task"
        assert attributes(attempt)["agentbatch.task.attempt_of"] == attributes(task)["agentbatch.task.id"]
    assert any(link.trace_id in first for attempt in attempts for link in attempt.links)


def test_plain_requests_are_spans_and_an_alert_is_told(
    folder: Path, agentbatch: Command, collector: Collector
) -> None:
    lines = [
        {"custom_id": f"r{n}", "method": "POST", "url": "/v1/chat/completions",
         "body": {"messages": [{"role": "user", "content": f"Say {n}."}]}}
        for n in range(3)
    ]  # fmt: skip
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ("requests", "run", "in.jsonl", "-o", "out.jsonl", "--alert", "completed >= 3")
    done = agentbatch(*words, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert done.returncode == 0
    assert "Alert: completed >= 3 (completed is 3)." in done.stdout + done.stderr
    (run,) = collector.named("invoke_workflow agentbatch")
    asked = collector.named("chat rehearsal-plain")
    assert {attributes(span)["agentbatch.request.id"] for span in asked} == {"r0", "r1", "r2"}
    assert {span.parent_span_id for span in asked} == {run.span_id}
    points = collector.metrics["agentbatch.requests"].gauge.data_points
    assert {attributes(one)["agentbatch.request.status"]: one.as_int for one in points}["answered"] == 3
    assert b"Say 1" not in b"".join(collector.bodies)
