"""`agentbatch models pull` as a user runs it, against a hub on the loopback."""

import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.local.hub import Hub, Stored
from tests.support import commands
from tests.support.waiting import wait_until

NAME = "owner/models/small-q4.gguf"
CONTENT = b"GGUF" + random.Random(1).randbytes(3_000_000)
TOKEN = "hf_0123456789abcdefSECRET"

Pull = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({NAME: Stored(CONTENT)}) as server:
        yield server


@pytest.fixture
def environ(hub: Hub, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return {
        **kept,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HF_TOKEN": TOKEN,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "agentbatch" / "models"


@pytest.fixture
def pull(environ: dict[str, str], tmp_path: Path) -> Pull:
    def run(name: str = NAME, **variables: str) -> subprocess.CompletedProcess[str]:
        done = commands.run("models", "pull", name, cwd=tmp_path, env={**environ, **variables})
        assert TOKEN not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_whole_file_with_progress(pull: Pull, folder: Path, hub: Hub) -> None:
    done = pull()
    assert done.returncode == 0, done.stderr
    assert (folder / "small-q4.gguf").read_bytes() == CONTENT
    assert left(folder) == ["small-q4.gguf"]
    assert "agentbatch --local small-q4" in done.stdout
    assert "downloading small-q4.gguf 3 of 3 MB, 100%" in done.stderr
    assert "checking small-q4.gguf" in done.stderr
    assert len(done.stderr.splitlines()) < 30
    assert all(request.headers["authorization"] == f"Bearer {TOKEN}" for request in hub.seen)
    assert all(
        request.headers["user-agent"].startswith("agentbatch/") and " " not in request.headers["user-agent"]
        for request in hub.seen
    )  # telemetry

    again = pull()
    assert again.returncode == 0
    assert len(hub.of("GET")) == 1


def test_a_cut_connection_goes_on_where_it_was(pull: Pull, folder: Path, hub: Hub) -> None:
    hub.files[NAME].cut_after, hub.files[NAME].cuts = 1_000_000, 1
    assert pull().returncode == 0
    assert (folder / "small-q4.gguf").read_bytes() == CONTENT


def test_the_next_pull_goes_on_where_the_last_one_broke(pull: Pull, folder: Path, hub: Hub) -> None:
    stored = hub.files[NAME]
    have = CONTENT[:1_234_567]
    folder.mkdir(parents=True)
    import hashlib

    part = folder / f"small-q4.gguf.{hashlib.sha256(CONTENT).hexdigest()[:12]}.part"
    part.write_bytes(have)
    assert stored.cuts == 0
    assert pull().returncode == 0
    (get,) = hub.of("GET")
    assert get.headers["range"] == f"bytes={len(have)}-"
    assert (folder / "small-q4.gguf").read_bytes() == CONTENT
    assert left(folder) == ["small-q4.gguf"]


@pytest.mark.slow
def test_ctrl_c_keeps_what_has_come(environ: dict[str, str], folder: Path, hub: Hub, pull: Pull) -> None:
    hub.files[NAME] = Stored(b"GGUF" + random.Random(2).randbytes(24_000_000), trickle=0.004)
    started = commands.start("models", "pull", NAME, cwd=folder.parent.parent.parent, env=environ)
    wait_until(lambda: any(path.stat().st_size for path in folder.glob("*.part")))
    started.send_signal(signal.SIGINT)
    ended = started.result()
    assert ended.returncode == 130, ended.stderr
    assert "The same command continues from here" in ended.stderr
    (name,) = left(folder)
    have = (folder / name).stat().st_size
    assert have > 0
    hub.files[NAME].trickle = 0
    hub.seen.clear()
    assert pull().returncode == 0
    assert hub.of("GET")[0].headers["range"] == f"bytes={have}-"
    assert (folder / "small-q4.gguf").read_bytes() == hub.files[NAME].content


def test_a_wrong_sum_is_removed(pull: Pull, folder: Path, hub: Hub) -> None:
    hub.files[NAME].served = CONTENT[:-1] + b"?"
    done = pull()
    assert done.returncode == 1
    assert "The downloaded file is damaged: its sha256 is" in done.stderr
    assert left(folder) == []


def test_the_catalogue_names_another_file(pull: Pull, folder: Path, hub: Hub) -> None:
    name = "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
    hub.files[name] = Stored(CONTENT)
    done = pull("qwen2.5-coder-1.5b")
    assert done.returncode == 1
    assert "is not the file in the catalogue" in done.stderr
    assert hub.of("GET") == []
    assert left(folder) == []


@pytest.mark.parametrize(
    ("stored", "code", "sentence"),
    [
        (None, 2, f"has no file {NAME}"),
        (Stored(CONTENT, status=401), 2, "there is no such repository, or HF_TOKEN is missing"),
        (Stored(CONTENT, status=500), 1, "answered 500"),
        (Stored(CONTENT, size=10**16), 2, "Free some space"),
        (Stored(CONTENT, sha256="no-sum"), 1, "gives no size and sha256"),
        (Stored(CONTENT, size=len(CONTENT) + 5), 1, "The partial file is kept"),
    ],
)
def test_what_the_hub_does_not_give(
    pull: Pull, folder: Path, hub: Hub, stored: Stored | None, code: int, sentence: str
) -> None:
    if stored is None:
        del hub.files[NAME]
    else:
        hub.files[NAME] = stored
    done = pull()
    assert (done.returncode, sentence in done.stderr) == (code, True), done.stderr
    assert not (folder / "small-q4.gguf").exists()


def test_no_hub_at_all(pull: Pull) -> None:
    done = pull(HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="0")
    assert done.returncode == 1
    assert "The connection to http://127.0.0.1:9 failed" in done.stderr


def test_a_proxy_that_cannot_be_used_is_a_sentence(pull: Pull) -> None:
    done = pull(ALL_PROXY="socks5://127.0.0.1:9")
    assert done.returncode == 2
    assert "cannot be reached through the proxy that the environment names" in done.stderr
    assert "Traceback" not in done.stderr


def test_offline_by_choice(pull: Pull) -> None:
    done = pull(HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert "HF_HUB_OFFLINE is set" in done.stderr


def test_a_slow_start_is_waited_for(pull: Pull, hub: Hub) -> None:
    hub.files[NAME].wait = 0.5
    assert pull().returncode == 0


def test_the_key_stays_with_the_hub(pull: Pull, folder: Path, hub: Hub) -> None:
    hub.files[NAME].elsewhere = True
    assert pull().returncode == 0
    assert (folder / "small-q4.gguf").read_bytes() == CONTENT
    (get,) = hub.of("GET")
    assert str(get.port) == hub.other.rpartition(":")[2]
    assert "authorization" not in get.headers


def test_two_at_once(environ: dict[str, str], folder: Path, hub: Hub, pull: Pull) -> None:
    hub.files[NAME].trickle = 0.2
    first = commands.start("models", "pull", NAME, cwd=folder.parent.parent.parent, env=environ)
    try:
        wait_until(lambda: list(folder.glob("*.part")))
        second = pull()
        assert second.returncode == 2
        assert "is already being downloaded by another process" in second.stderr
    finally:
        first.kill()
        first.result()
