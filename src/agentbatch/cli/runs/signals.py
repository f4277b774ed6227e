"""Ctrl-C, SIGTERM and SIGHUP of a run in this process."""

import asyncio
import signal

from agentbatch.runs.session import Engine

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalStopper:
    """Hands signals on to the engine: the first drains, the second stops at once. Those that come before there is an
    engine are kept for it, except while a model loads (`loading`), which takes long: that they end."""

    def __init__(self, *, loading: bool = False) -> None:
        self._engine: Engine | None = None
        self._early = 0
        self._run = asyncio.current_task() if loading else None
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self.stop)

    def attach(self, engine: Engine) -> None:
        self._engine = engine
        for _ in range(self._early):
            engine.signal()

    def stop(self) -> None:
        if self._engine is None:
            self._early += 1
            if self._run is not None:
                self._run.cancel()
        else:
            self._engine.signal()
