"""CPU seconds of starting `agentbatch`, beside bare Python in the same run: python -m benchmarks.startup [RUNS]"""

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

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


def cpu_seconds(words: Sequence[str]) -> float:
    """User and system time of one process."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    started = {"python -c pass": BARE} | {
        f"agentbatch {' '.join(words)}": ("-m", "agentbatch", *words) for words in COMMANDS
    }
    # In turns, so that a busy moment of the machine meets all of them.
    seconds: dict[str, list[float]] = {name: [] for name in started}
    for turn in range(runs + 1):
        for name, words in started.items():
            one = cpu_seconds(words)
            if turn:  # the first one fills the caches
                seconds[name].append(one)
    bare = statistics.median(seconds["python -c pass"])
    print(f"CPU seconds of a start, median of {runs}:")
    for name, all_of_them in seconds.items():
        median = statistics.median(all_of_them)
        print(f"  {name:<34} {median:6.3f}  {median / bare:5.1f}x bare Python")


if __name__ == "__main__":
    main()
