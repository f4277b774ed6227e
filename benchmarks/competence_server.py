"""llama.cpp's OpenAI server for benchmarks.competence, a child process that ends when its parent does.

Run as a program it reads its settings as one JSON line from stdin, writes its address to stdout, and serves until stdin
ends: the pipe closes with the parent, however that ends.
"""

import contextlib
import importlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agentbatch.errors import UserError

MAX_OUTPUT = 2048
"""Tokens of one reply, for every contestant: a model in a loop would otherwise fill the context window."""


class Server(NamedTuple):
    url: str
    """The base URL, with /v1."""
    key: str
    model: str
    context: int
    """Tokens of the context window."""


@contextlib.contextmanager
def serve(weights: Path, context: int, nice: int, log: Path, seed: int | None = None) -> Iterator[Server]:
    """The server of `weights` on loopback: a free port, a random key, one slot, nothing in its caches. With a `seed`
    the same request gets the same answer each time it is made: what compares two askings then compares nothing.

    Its threads sleep while they wait for each other: on two cores, spinning is a fifth faster (15 tokens/s
    against 12) while nothing else runs, and five times slower as soon as anything does.
    """
    key = secrets.token_hex(16)
    settings = {"weights": str(weights), "context": context, "nice": nice, "key": key, "seed": seed}
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.competence_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
            env={"OMP_WAIT_POLICY": "passive", **os.environ},
            text=True,
            start_new_session=True,
        )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the server has no pipes")
    try:
        with contextlib.suppress(BrokenPipeError):  # it ended at once; then it has no address, either
            process.stdin.write(json.dumps(settings) + "\n")
            process.stdin.flush()
        address = process.stdout.readline().strip()
        if not address:
            last_line = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise UserError(
                f"llama.cpp (xllamacpp) could not serve {weights}: {''.join(last_line) or 'it ended'}."
            )
        yield Server(f"{address}/v1", key, weights.stem, context)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def main() -> None:
    xllamacpp: Any = importlib.import_module("xllamacpp")  # an extra
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # llama.cpp logs to both
    settings = json.loads(sys.stdin.readline())
    os.setpriority(os.PRIO_PROCESS, 0, settings["nice"])
    params = xllamacpp.CommonParams()
    params.model.path = settings["weights"]
    params.api_keys = [settings["key"]]
    params.n_ctx = settings["context"]
    params.n_predict = MAX_OUTPUT
    if settings["seed"] is not None:
        params.sampling.seed = settings["seed"]
    params.n_parallel = 1
    params.port = 0
    params.use_jinja = True
    threads = os.cpu_count() or 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)
    answers.write(f"{server.listening_address}\n")
    answers.flush()
    sys.stdin.read()
    os._exit(0)  # its threads would keep the process


if __name__ == "__main__":
    main()
