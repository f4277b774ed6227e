"""The process that llama.cpp runs in: `python -m agentbatch.local.child`, started by LocalServer.

One line of JSON (ServerOrder) arrives on stdin, one is written to stdout: `{"base_url": …}` or `{"error": …}`. Stdin
stays open as long as the engine lives; this process ends with it.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
from typing import Any, NoReturn, TypedDict

PR_SET_PDEATHSIG = 1
"""Linux, prctl(2)."""

OOM_SCORE_ADJ = "500"
"""When memory runs out, the model is killed before the engine, which can report it."""

MAX_OUTPUT = 4096
"""Tokens of one answer if the request sets no limit: a small model in a loop has to end some time."""

TEMPERATURE = 0.2
"""For requests that set none, and models whose file recommends none."""

PING_SECONDS = 15
"""Between two keep-alives on a stream without tokens yet."""


class ServerOrder(TypedDict):
    """What the engine requests."""

    parent: int
    """The engine's process id."""
    model: str
    """Path."""
    name: str
    api_key: str
    slots: int
    context: int
    """Tokens per slot."""
    threads: int
    prompt_cache: int
    """Bytes."""


def main() -> NoReturn:
    order: ServerOrder = json.loads(sys.stdin.buffer.readline())
    answer = os.dup(1)
    os.set_inheritable(answer, False)
    os.dup2(2, 1)
    _die_with(order["parent"])
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(OOM_SCORE_ADJ)
    try:
        server = start(order)
    except (ImportError, RuntimeError, ValueError) as error:
        os.write(answer, json.dumps({"error": str(error)}).encode() + b"\n")
        sys.exit(1)
    os.write(answer, json.dumps({"base_url": server.listening_address + "/v1"}).encode() + b"\n")
    os.close(answer)
    while True:
        signal.pause()


def start(order: ServerOrder) -> Any:
    """Load the model and serve it on a free port of this machine. Holds the GIL while it loads.

    Raises RuntimeError when llama.cpp fails; its log on stderr says why.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = order["model"]
    params.model_alias = {order["name"]}
    params.offline = True
    params.api_keys = [order["api_key"]]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.cors_origins = ""
    params.ui = params.endpoint_slots = params.endpoint_metrics = params.endpoint_props = False
    params.n_parallel = order["slots"]
    params.n_ctx = order["context"] * order["slots"]
    params.kv_unified = params.ctx_shift = params.fit_params = False
    params.cache_prompt = params.warmup = params.use_jinja = True
    params.cache_ram_mib = order["prompt_cache"] // 1024**2
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = order["threads"]
    params.n_predict = min(MAX_OUTPUT, order["context"] // 2)
    params.sampling.temp = TEMPERATURE
    params.sse_ping_interval = PING_SECONDS
    return xllamacpp.Server(params)


def _die_with(parent: int) -> None:
    """End when the engine ends, in whatever way, even while a model loads and no Python code can run.

    On Linux the kernel does it. On every system a small extra process waits for the end of stdin.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the engine has already ended")
    alive, kept_open = os.pipe()  # `kept_open` closes with this process
    server = os.getpid()
    if os.fork() != 0:
        os.close(alive)
        return
    os.close(kept_open)
    _guard(server, alive)


def _guard(server: int, alive: int) -> NoReturn:
    """Kill `server` at the end of stdin; end when it has ended (then `alive` is readable)."""
    with contextlib.suppress(OSError):
        while True:
            readable, _, _ = select.select([0, alive], [], [])
            if alive in readable:
                break
            if not os.read(0, 4096):
                os.kill(server, signal.SIGKILL)
                break
    os._exit(0)


if __name__ == "__main__":
    main()
