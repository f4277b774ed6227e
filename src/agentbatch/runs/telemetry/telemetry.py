"""Events to OpenTelemetry: a listener of the store, whose spans and measures go to a process of its own.

The engine translates (spans.py, measures.py) and writes lines into a pipe; opentelemetry is imported by the other
process alone (otel_process.py), which a collector may slow down, fill or break: lines that it does not take are
dropped, counted and told at the end.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agentbatch import __version__
from agentbatch.files import json_object
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Store
from agentbatch.runs.telemetry import measures
from agentbatch.runs.telemetry.conventions import INSTRUMENTS
from agentbatch.runs.telemetry.requested import TelemetryRequest, child_environment, telemetry_secrets
from agentbatch.runs.telemetry.requests import EndedRequest, of_request, request_span
from agentbatch.runs.telemetry.span import Measure, Span, document
from agentbatch.runs.telemetry.spans import Tracing
from agentbatch.text import clip, counted

SEND_EVERY = 0.25
"""Seconds."""

MAX_BUFFERED = 8_000_000
"""Bytes that wait for the process; more is dropped."""

MAX_HELD = 20_000
"""Spans and values between two sendings."""

WITHIN = 5.0
"""Seconds that the end of a run waits for the last of it."""

_PROCESS = Path(__file__).with_name("otel_process.py")


class Telemetry:
    """Of one session. `start` it, `finish` it before the store's end."""

    def __init__(
        self, asked: TelemetryRequest, store: Store, environ: Mapping[str, str], *, within: float = WITHIN
    ) -> None:
        self._asked = asked
        self._store = store
        self._environ = environ
        self._within = within
        self._tracing = Tracing(content=asked.content)
        self._spans: list[Span] = []
        self._measures: dict[tuple[Any, ...], list[float]] = {}
        """Values by instrument and attributes; of a counter one, their sum."""
        self._held = 0
        """Spans and values since the last sending."""
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self.process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._told: set[str] = set()
        self._notices = [e.Notice(text=text) for text in asked.notices]
        """Until the run has begun."""

    async def start(self, port: socket.socket | None) -> None:
        """`port`: of the Prometheus endpoint, which the process listens on too."""
        if not self._asked.anything:
            return
        for secret in telemetry_secrets(self._environ):
            self._store.redact.add(secret)
        kept = () if port is None else (port.fileno(),)
        try:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", str(_PROCESS),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=child_environment(self._environ), pass_fds=kept,
                start_new_session=True,  # Ctrl-C is for the run, whose end is yet to be told
            )  # fmt: skip
        except OSError as error:
            text = f"Telemetry: no process could be started: {error.strerror or error}."
            self._notices.append(e.Notice(text=text))
            return
        if port is not None:
            host, number = port.getsockname()[:2]
            text = f"Metrics: http://{f'[{host}]' if ':' in host else host}:{number}/metrics"
            self._notices.append(e.Notice(text=text, warning=False))
        self._listening = asyncio.ensure_future(self._listen(self.process))
        self._write([self._hello(kept)])

    def __call__(self, event: e.Event, state: RunState) -> None:
        if isinstance(event, e.RunStarted):
            notices, self._notices = self._notices, []
            for notice in notices:
                asyncio.get_running_loop().call_soon(self._store.emit, notice)
        spans = self._tracing(event, state)
        self.take(spans, measures.of_event(event, state))

    def take(self, spans: Iterable[Span], more: Iterable[Measure] = ()) -> None:
        """Send them soon, with what they are measured by."""
        for span in spans:
            for measure in measures.of_span(span):
                self._add(measure)
            if self._asked.traces and self._room():
                self._spans.append(span)
        for measure in more:
            self._add(measure)
        if self._timer is None and (self._spans or self._measures):
            self._timer = asyncio.get_running_loop().call_later(SEND_EVERY, self._send)

    def request_ended(self, ended: EndedRequest) -> None:
        """A plain request has its outcome: no event of the run."""
        info = self._store.state.info
        if info is not None:
            now = self._store.clock()
            span = request_span(self._tracing, info, ended, now, content=self._asked.content)
            self.take([span], of_request(ended))

    async def finish(self) -> None:
        """Send what is left and wait for it, for as long as the time limit allows; then tell what was lost."""
        self._send()
        process = self.process
        if process is None:
            return
        try:
            async with asyncio.timeout(self._within):
                if process.stdin is not None:
                    process.stdin.close()
                await process.wait()
                if self._listening is not None:
                    await self._listening
        except TimeoutError:
            self._say("Telemetry: the collector did not take the last of it in time.")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            if self._listening is not None:
                self._listening.cancel()
        if self._dropped:
            self._say(f"Telemetry: {counted(self._dropped, 'span or value', 'spans and values')} dropped.")

    def _hello(self, kept: tuple[int, ...]) -> dict[str, Any]:
        return {
            "version": __version__,
            "traces": self._asked.traces,
            "metrics": self._asked.metrics,
            "listen": kept[0] if kept else None,
            "instruments": {name: one._asdict() for name, one in INSTRUMENTS.items()},
        }

    def _room(self) -> bool:
        """For one more; where there is none, it is lost."""
        full = self._held >= MAX_HELD
        self._held += not full
        self._dropped += full
        return not full

    def _add(self, measure: Measure) -> None:
        values = self._measures.setdefault((measure.name, *measure.attributes.items()), [])
        if INSTRUMENTS[measure.name].kind == "counter":
            values[:] = [sum(values) + measure.value]
        elif self._room():
            values.append(measure.value)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        spans, self._spans = self._spans, []
        found, self._measures = self._measures, {}
        self._held = 0
        if spans or found:
            now = [(one.name, [one.value], one.attributes) for one in measures.of_state(self._store.state)]
            then = [(name, values, dict(attributes)) for (name, *attributes), values in found.items()]
            self._write([{"spans": [document(span) for span in spans], "measures": then + now}], len(spans))

    def _write(self, lines: list[dict[str, Any]], number: int = 0) -> None:
        process = self.process
        pipe = process.stdin if process is not None and process.returncode is None else None
        if pipe is None or pipe.is_closing() or pipe.transport.get_write_buffer_size() > MAX_BUFFERED:
            self._dropped += number
            return
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        pipe.write(self._store.redact(text).encode(errors="replace"))

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """What the process has to say."""
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # a line without an end
            async for line in process.stdout:
                said = json_object(line) or {}
                self._dropped += said["lost"] if isinstance(said.get("lost"), int) else 0
                if isinstance(said.get("problem"), str):
                    self._say(f"Telemetry: {clip(said['problem'], 200)}")

    def _say(self, text: str) -> None:
        """Once."""
        if text not in self._told and len(self._told) < 10:
            self._told.add(text)
            self._store.emit(e.Notice(text=self._store.redact(text)))
