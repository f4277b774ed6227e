"""`--notify`: messages to apprise addresses at a run's first failure and at its end (words: notify_messages.py)."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

from agentbatch.errors import UserError
from agentbatch.files import json_object
from agentbatch.runs import events as e
from agentbatch.runs.services.notify_messages import (
    Message,
    asleep_message,
    end_message,
    failed_for_good,
    failure_message,
    urgent_message,
)
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Store
from agentbatch.text import clip

WORTH_A_MESSAGE = 3_600.0
"""Seconds. A run that sleeps so long for a quota says so."""

WITHIN = 15.0
"""Seconds that the end of a run waits for its notifications."""

CHECK_WITHIN = 60.0
"""Seconds for looking at the addresses before a run; it takes about one."""

_COMMAND = (sys.executable, "-P", str(Path(__file__).with_name("notify_process.py")))


def check_notify(urls: Sequence[SecretStr]) -> None:
    """Find out before a run whether apprise is there and understands the addresses. Sends nothing. Raises UserError."""
    if not urls:
        return
    request = {"check": [url.get_secret_value() for url in urls]}
    try:
        done = subprocess.run(
            _COMMAND,
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=CHECK_WITHIN,
            check=False,
        )
        answer = json_object(done.stdout) or {}
    except subprocess.TimeoutExpired:
        answer = {}
    if answer.get("missing"):
        raise UserError("--notify needs apprise: pip install 'agentbatch[notify]'.")
    if "refused" not in answer:
        raise UserError("--notify: apprise does not work here; `python -m apprise --version` may show why.")
    for refusal in answer["refused"]:
        shown = _shown(urls[refusal["place"]])
        if refusal["needs"]:
            raise UserError(f"--notify: {shown} does not work here without {clip(refusal['needs'], 200)}.")
        raise UserError(
            f"--notify: apprise does not understand {shown} (number {refusal['place'] + 1} of {len(urls)}). "
            "docs/notifications.md has examples, https://appriseit.com all forms."
        )


class Notifier:
    """A listener of the store. Messages go out from processes of their own, and never hold the run up.

    A failure of a task is an event; that of a plain request is not: `first_failure` is called for it. An address that
    cannot be reached is named by a notice, once. `finish` belongs before the store's end.
    """

    def __init__(
        self, urls: Sequence[SecretStr], store: Store, results_file: Path, *, within: float = WITHIN
    ) -> None:
        """`within`: seconds that `finish` waits."""
        self._urls = urls
        self._store = store
        self._results_file = results_file
        self._within = within
        self._failed = False
        self._giving_up = False
        self._reported: set[int] = set()
        """Places of the addresses whose failure has been reported."""
        self._turns = [asyncio.Lock() for _ in urls]
        self._under_way: set[asyncio.Task[None]] = set()

    def __call__(self, event: e.Event, state: RunState) -> None:
        if isinstance(event, e.TaskFinished) and event.status in ("error", "timeout"):
            task = state.by_id[event.task_id]
            if failed_for_good(task) and not task.attempt_of:
                self.first_failure(lambda: failure_message(state, task))
        elif isinstance(event, e.QuotaUsedUp) and event.until - event.ts >= WORTH_A_MESSAGE:
            self.send(asleep_message(state, event))
        elif isinstance(event, e.Notice) and event.urgent:
            self.send(urgent_message(state, event.text))
        elif isinstance(event, e.RunFinished):
            self.send(end_message(state, self._results_file, event.ts))

    def first_failure(self, message: Callable[[], Message]) -> None:
        """Send the message, unless there was a failure before."""
        if not self._failed:
            self._failed = True
            self.send(message())

    async def finish(self) -> None:
        """Wait until everything is sent, or given up after the time limit."""
        if not self._under_way:
            return
        sending = set(self._under_way)
        try:
            await asyncio.wait(sending, timeout=self._within)
        finally:
            self._giving_up = True
            for late in sending:
                late.cancel()
            await asyncio.wait(sending)

    def send(self, message: Message) -> None:
        """To all addresses; returns at once."""
        for place in range(len(self._urls)):
            sending = asyncio.ensure_future(self._deliver(place, message))
            self._under_way.add(sending)
            sending.add_done_callback(self._under_way.discard)

    async def _deliver(self, place: int, message: Message) -> None:
        try:
            async with self._turns[place]:  # the end is not reported before the failure
                problem = await self._problem(place, message)
        except asyncio.CancelledError:
            if not self._giving_up:
                raise
            problem = f"there was no answer within {self._within:g} s"
        if problem and place not in self._reported:
            self._reported.add(place)
            text = f"--notify: {_shown(self._urls[place])} could not be notified: {problem}."
            self._store.emit(e.Notice(text=text))

    async def _problem(self, place: int, message: Message) -> str:
        """Send it; returns why it did not go, empty when it went."""
        redact = self._store.redact
        request = {
            "url": self._urls[place].get_secret_value(),
            "title": redact(message.title),
            "body": redact(message.body),
            "kind": message.kind,
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the run, not for the message about it
            )
        except OSError as error:
            return f"no process could be started: {error.strerror or error}"
        try:
            output, _ = await process.communicate(json.dumps(request).encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        answer = json_object(output) or {}
        return "" if answer.get("ok") else clip(str(answer.get("cause") or "apprise failed"), 100)


def _shown(url: SecretStr) -> str:
    """The kind of an address; the rest of it may be secret."""
    scheme, found, _ = url.get_secret_value().partition("://")
    known = bool(found) and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,20}", scheme)
    return f"{scheme}://…" if known else "an address without a scheme"
