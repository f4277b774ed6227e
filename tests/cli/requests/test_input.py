"""What `agentbatch requests run` takes as input, and what it refuses before anything is spent."""

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support import commands
from tests.support.request_batches import command, environ_of, lines_of

GOOD = json.dumps({"id": "a", "prompt": "x"}).encode()
OTHER = json.dumps({"custom_id": "b", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": [
    {"role": "user", "content": "y"}]}}).encode()  # fmt: skip

WORDS = ("-o", "out.jsonl")


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """On the rehearsal model."""
    return commands.run("requests", "run", *words, cwd=folder, env=environ_of(folder, None))


def piped(folder: Path, content: bytes, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The same, with its input from a pipe."""
    pipe = folder / "stdin"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    environ = {**environ_of(folder, None), **variables}
    started = commands.start("requests", "run", "-", *WORDS, cwd=folder, env=environ, stdin=pipe)
    writer.join()
    return started.result()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + GOOD + b"\n" + OTHER + b"\n", id="byte order mark"),
        pytest.param(GOOD + b"\r\n" + OTHER + b"\r\n", id="CRLF"),
        pytest.param(b"\n  \n" + GOOD + b"\n\n\t\n" + OTHER + b"\n\n", id="empty lines"),
        pytest.param(GOOD + b"\n" + OTHER, id="no end of the last line"),
    ],
)
@pytest.mark.parametrize("way", ["file", pytest.param("pipe", marks=pytest.mark.slow)])
def test_lines_as_editors_write_them(tmp_path: Path, content: bytes, way: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(content)
    done = run(tmp_path, "in.jsonl", *WORDS) if way == "file" else piped(tmp_path, content)
    assert done.returncode == 0, done.stderr
    assert sorted(line["custom_id"] for line in lines_of(tmp_path / "out.jsonl")) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (GOOD + b"\nnonsense\n", "line 2: not JSON"),
        (b"", "holds no requests"),
        (GOOD + b"\n\n" + GOOD + b"\n", "line 3: the id 'a' stands in line 1 already"),
    ],
)
def test_standard_input_is_checked_too_and_leaves_nothing(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "temporary").mkdir()
    done = piped(tmp_path, content, TMPDIR=str(tmp_path / "temporary"))
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (tmp_path / ".agentbatch").exists()


def test_all_wrong_lines_are_told_at_once(tmp_path: Path) -> None:
    lines = [b'{"id": "a"}', GOOD, b"[]", OTHER.replace(b"/v1/chat/completions", b"/v1/images")]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    done = run(tmp_path, "in.jsonl", *WORDS)
    told = done.stderr
    assert done.returncode == 2
    for place, what in (
        ("line 1", "prompt"),
        ("line 3", "a JSON object is wanted"),
        ("line 4", "`url` must be one of"),
    ):
        assert any(place in line and what in line for line in told.splitlines()), told
    (tmp_path / "in.jsonl").write_bytes(b"x\n" * 5_000)
    told = run(tmp_path, "in.jsonl", *WORDS).stderr
    assert len(told.splitlines()) == 11
    assert told.endswith("There may be more.\n")


@pytest.mark.parametrize("begin", [b"", b'{"id": "a", "prompt": "'])
def test_a_line_of_a_gigabyte_is_refused_without_reading_it_whole(tmp_path: Path, begin: bytes) -> None:
    with open(tmp_path / "in.jsonl", "wb") as file:
        file.write(begin)
        file.truncate(1024**3)
    # Of all its memory, libraries included: what it holds at most cannot be asked for, as it starts with ours.
    limited = ["bash", "-c", 'ulimit -v 1000000; exec "$@"', "-", *command("in.jsonl", *WORDS)]
    done = subprocess.run(limited, cwd=tmp_path, env=environ_of(tmp_path, None), stderr=subprocess.PIPE)
    told = done.stderr.decode()
    assert (done.returncode, "line 1: longer than 16 MB" in told) == (2, True), told


@pytest.mark.parametrize(
    ("name", "told"),
    [(".", ". is a folder; name a file of JSON lines."), ("none.jsonl", "none.jsonl cannot be read")],
)
def test_what_is_no_file(tmp_path: Path, name: str, told: str) -> None:
    done = run(tmp_path, name, *WORDS)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(GOOD)
    (tmp_path / "in.jsonl").chmod(0)
    done = run(tmp_path, "in.jsonl", *WORDS)
    assert (done.returncode, "in.jsonl cannot be read: Permission denied." in done.stderr) == (2, True)


@pytest.mark.parametrize("output", ["none/out.jsonl", "."])
def test_an_output_that_cannot_be(tmp_path: Path, output: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(GOOD)
    (tmp_path / "none").write_text("a file")
    done = run(tmp_path, "in.jsonl", "-o", output, "--force")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "agentbatch: " in done.stderr
    assert not (tmp_path / ".agentbatch").exists()


def test_a_pipe_with_a_name_is_read_once_and_kept(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = subprocess.Popen(["sh", "-c", "cat > pipe"], cwd=tmp_path, stdin=subprocess.PIPE)
    assert writer.stdin is not None
    writer.stdin.write(GOOD + b"\n" + OTHER + b"\n")
    writer.stdin.close()
    done = run(tmp_path, "pipe", *WORDS)
    assert (done.returncode, writer.wait(10)) == (0, 0), done.stderr
    (tmp_path / "out.jsonl").unlink()
    done = commands.run("resume", cwd=tmp_path, env=environ_of(tmp_path, None))
    assert (done.returncode, "2 requests: 2 ok" in done.stdout) == (0, True), done.stderr
    assert len(lines_of(tmp_path / "out.jsonl")) == 2
