"""`agentbatch --local` as a user runs it. The model is far too small for the task: what counts is an honest end."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Command
from tests.local.llama_processes import processes, session, until

Start = Callable[..., "subprocess.Popen[str]"]

TASK = {
    "dir": "work",
    "first_prompt": "Write hello.py that prints hello.",
    "verify": "python3 hello.py",
    "timeout": 10,
}
LIMITS = {
    "coder.toml": "[limits]\nsteps = 2\n[model]\nmax_output_tokens = 40\n",
    "evaluator.toml": "[limits]\nattempts = 1\n[model]\nmax_output_tokens = 40\n",
}


@pytest.fixture
def batch(folder: Path, smollm2: Path) -> Path:
    """A batch of one task for a model that must not talk for long; returns the model."""
    (folder / "task.json").write_text(json.dumps({"tasks": [TASK]}), encoding="utf-8")
    (folder / "agents").mkdir()
    for name, text in LIMITS.items():
        (folder / "agents" / name).write_text(text, encoding="utf-8")
    (folder / "small.gguf").symlink_to(smollm2)
    return folder / "small.gguf"


@pytest.fixture
def start(folder: Path, environ: dict[str, str]) -> Iterator[Start]:
    """`start(**variables)`: the run on the local model, in the background."""
    started: list[subprocess.Popen[str]] = []

    def run(**variables: str) -> "subprocess.Popen[str]":
        engine = subprocess.Popen(
            [sys.executable, "-m", "agentbatch", *ARGUMENTS],
            cwd=folder, env={**environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        started.append(engine)
        return engine

    yield run
    for engine in started:
        engine.kill()
        engine.communicate()


def llama_log(folder: Path) -> str:
    logs = list((folder / ".agentbatch" / "runs").glob("*/llama.log"))
    return logs[0].read_text(errors="replace") if logs else ""


ARGUMENTS = ("--local", "small.gguf", "--local-threads", "1", "--serial", "--tool-mode", "text")


def test_a_run_on_the_local_model_ends_honestly(start: Start, folder: Path, batch: Path) -> None:
    engine = start(OPENAI_API_KEY="sk-not-used-0123456789", CODER_ENDPOINT="http://127.0.0.1:9/v1")
    assert until(lambda: processes(engine.pid))
    (server,) = processes(engine.pid)
    told, _ = engine.communicate(timeout=300)
    assert engine.returncode == 1, told
    assert "small.gguf: 135M, 1 slot of 8,192 tokens, 1 thread, about" in told
    assert "small is loaded, after" in told
    assert "coder small at 127.0.0.1" in told
    (result,) = json.loads((folder / "batch_results.json").read_text())["results"]
    assert result["result"]["status"] in ("error", "timeout")
    assert "processing task" in llama_log(folder)
    assert until(lambda: not session(server))


def test_kill_9_of_the_engine_leaves_no_llama_cpp(start: Start, folder: Path, batch: Path) -> None:
    engine = start()
    assert until(lambda: "processing task" in llama_log(folder))
    (server,) = processes(engine.pid)
    engine.kill()
    engine.wait(300)
    assert until(lambda: not session(server))


def test_the_run_stops_when_the_server_dies(start: Start, folder: Path, batch: Path) -> None:
    engine = start()
    assert until(lambda: "processing task" in llama_log(folder))
    (server,) = processes(engine.pid)
    os.kill(server, signal.SIGKILL)
    told, _ = engine.communicate(timeout=300)
    assert engine.returncode == 1
    assert "The local model's server ended (killed, perhaps out of memory)" in told
    (result,) = json.loads((folder / "batch_results.json").read_text())["results"]
    assert (result["result"]["status"], result["result"]["reason"]) == ("cancelled", "interrupted")


def test_ctrl_c_while_the_model_loads(start: Start, folder: Path, batch: Path) -> None:
    while True:
        engine = start()
        assert until(lambda: "loading model" in llama_log(folder))
        (server,) = processes(engine.pid)
        os.kill(server, signal.SIGSTOP)  # as if the model were so large that it never gets done
        if "listening on" not in llama_log(folder):
            break
        engine.kill()
        engine.wait()
        shutil.rmtree(folder / ".agentbatch")
    engine.send_signal(signal.SIGINT)
    told, _ = engine.communicate(timeout=300)
    assert engine.returncode == 130, told
    assert "Traceback" not in told
    assert until(lambda: not session(server))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--local", "none.gguf"], "there is no file"),
        (["--local", "task.json.gguf"], "is not a GGUF model file"),
        (["--local", "qwen2.5-coder-1.5b"], "get it with `agentbatch models pull qwen2.5-coder-1.5b`"),
        (["--local", "small.gguf", "--local-context", "100000"], "this model was trained on 8,192 tokens"),
        (["--local", "small.gguf", "--local-context", "12"], "--local-context: must be 1,024 or more"),
        (["--local", "small.gguf", "--coder-model", "x"], "with --local this role is played by the local model"),
        (
            ["--local", "small.gguf", "--coder-endpoint", "http://h/v1", "--evaluator-endpoint", "http://h/v1"],
            "--local plays the roles that have no endpoint flag, and here both have one",
        ),
        (["--local", "small.gguf", "--evaluator-endpoint", "http://h/v1"], "No API key for the evaluator"),
    ],
)  # fmt: skip
def test_what_cannot_be_run(
    agentbatch: Command, folder: Path, batch: Path, arguments: list[str], sentence: str
) -> None:
    (folder / "task.json.gguf").write_text("hello")
    done = agentbatch(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not (folder / ".agentbatch").exists()


def test_without_llama_cpp(folder: Path, environ: dict[str, str], batch: Path) -> None:
    """Everything that is installed here, but xllamacpp."""
    packages = folder.parent / "packages"
    packages.mkdir()
    for place in sys.path:
        if place.endswith("site-packages"):
            for entry in Path(place).iterdir():
                if not entry.name.startswith("xllamacpp"):
                    (packages / entry.name).symlink_to(entry)
    import agentbatch

    paths = f"{packages}:{Path(agentbatch.__file__).parent.parent}"
    done = subprocess.run(
        [sys.executable, "-S", "-m", "agentbatch", "--local", "small.gguf"],
        cwd=folder, env={**environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "agentbatch: --local needs llama.cpp, which is not installed: pip install 'agentbatch[local]'\n"
    )


def test_doctor_starts_and_times_it(agentbatch: Command, batch: Path) -> None:
    done = agentbatch("doctor", "--local", "small.gguf", "--local-threads", "1", "--sandbox", "none")
    assert "llama.cpp              xllamacpp 20" in done.stdout
    assert "local model            small.gguf: 135M, 1 slot of 8,192 tokens," in done.stdout
    assert "local speed            reads " in done.stdout
    assert "keys " not in done.stdout


def test_doctor_looks_at_the_machine_without_a_model(
    agentbatch: Command, smollm2: Path, environ: dict[str, str]
) -> None:
    folder = Path(environ["HOME"]) / ".cache" / "agentbatch" / "models"
    folder.mkdir(parents=True)
    (folder / "here.gguf").symlink_to(smollm2)
    (folder / "broken.gguf").write_bytes(b"hello")
    done = agentbatch("doctor", "--local", "--sandbox", "none", XDG_CACHE_HOME="")
    assert "ok    model here             here.gguf: 135M, 0.10 GB, fits with 8,192" in done.stdout
    assert "warn  model here             broken.gguf: The file" in done.stdout
    assert "local speed" not in done.stdout
