"""CPU seconds of starting `agentbatch`, beside bare Python in the same run: python -m benchmarks.startup [RUNS]

The last row is a run of one task, without a display, up to its first connection to the model's endpoint.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

RUNS = 20

BARE = ("-c", "pass")

COMMANDS = (
    ("--version",),
    ("--help",),
    ("--help-all",),
    ("status", "--help"),
    ("resume", "--help"),
    ("requests", "run", "--help"),
    ("doctor", "--help"),
)

FIRST_CALL = """
import os, runpy, socket, sys
socket.socket.connect = lambda *_: os._exit(0)
sys.argv[0] = "agentbatch"
runpy.run_module("agentbatch", run_name="__main__")
"""
"""The command, which ends where it would connect for the first time."""

RUN = ("-c", FIRST_CALL, "--parallel", "3", "--display", "none", "--sandbox", "none", "--tool-mode", "native")

ENDPOINT = "http://127.0.0.1:9/v1"


def cpu_seconds(words: Sequence[str], folder: str) -> float:
    """User and system time of one process."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OPENAI_API_KEY": "benchmark",
        "CODER_ENDPOINT": ENDPOINT,
        "EVALUATION_BASE_URL": ENDPOINT,
    }
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed command has its bytecode
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, cwd=folder, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    started = (
        {"python -c pass": BARE}
        | {f"agentbatch {' '.join(words)}": ("-m", "agentbatch", *words) for words in COMMANDS}
        | {"a run, up to its first call": RUN}
    )
    # In turns, so that a busy moment of the machine meets all of them.
    seconds: dict[str, list[float]] = {name: [] for name in started}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "work").mkdir()
        task = {"dir": "work", "first_prompt": "Write hello.py, which prints hello."}
        Path(folder, "task.json").write_text(json.dumps({"tasks": [task]}), encoding="utf-8")
        for turn in range(runs + 1):
            for name, words in started.items():
                one = cpu_seconds(words, folder)
                if turn:  # the first one fills the caches
                    seconds[name].append(one)
    bare = statistics.median(seconds["python -c pass"])
    print(f"CPU seconds of a start, median of {runs}:")
    for name, all_of_them in seconds.items():
        median = statistics.median(all_of_them)
        print(f"  {name:<34} {median:6.3f}  {median / bare:5.1f}x bare Python")


if __name__ == "__main__":
    main()
