"""Who ends a run's processes when its engine is killed and no sandbox does: a process of its own, that waits for it."""

import subprocess
import sys
from collections.abc import Mapping

from agentbatch.workspace.shell import marks


class Guard:
    """At work from its start to its close; an engine that is killed closes it too."""

    def __init__(self, mark: str, environ: Mapping[str, str]) -> None:
        """`mark`: what all processes of the run carry. `environ`: the engine's variables."""
        self._mark = mark
        self._env = {name: environ[name] for name in ("PATH", marks.MARK) if name in environ}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Safe to repeat. Raises OSError."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", marks.__file__, self._mark],
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )

    def close(self) -> None:
        """Returns when whatever was left of the run has ended."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait()
