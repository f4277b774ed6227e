"""Script files, and the server as a command."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.rehearsal.library import load_scripts, sample_scripts
from agentbatch.rehearsal.script import Fault, Say

GOOD = """
prompt = "do it"
[[coder]]
do = "fault"
status = 503
[[coder]]
content = "done"
[[evaluator]]
verdict = { complete = true }
"""


def test_scripts_of_a_folder_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(GOOD)
    (tmp_path / "a.toml").write_text(GOOD.replace("do it", "做吧"), encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a script")
    first, second = load_scripts(tmp_path)
    assert (first.prompt, second.prompt) == ("做吧", "do it")
    assert isinstance(second.coder[0], Fault)
    assert second.coder[1] == Say(content="done")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prompt = \n", r"bad\.toml: not TOML: .*line 1"),
        (GOOD.replace("content", "contents"), r"bad\.toml: coder > step 2 > contents: extra inputs"),
        (GOOD.replace("503", "200"), r"bad\.toml: coder > step 1 > status: "),
        (GOOD.replace('"fault"', '"dance"'), r"bad\.toml: coder > step 1: .*dance"),
        (GOOD.replace('prompt = "do it"', ""), r"bad\.toml: prompt: field required"),
        ('prompt = "do it"\n[[coder]]\n', r"bad\.toml: evaluator: "),
        ("coder = 7\n" + GOOD.split("[[coder]]")[0], r"bad\.toml: coder: "),
        ('prompt = "do it"\ncoder = [7]', r"bad\.toml: coder > step 1"),
    ],
)
def test_a_bad_script_names_file_and_field(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(UserError, match=says):
        load_scripts(tmp_path)


def test_bad_folders_and_files_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        load_scripts(tmp_path / "missing")
    with pytest.raises(UserError, match="no rehearsal script"):
        load_scripts(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'prompt = "caf\xe9"')
    with pytest.raises(UserError, match=r"latin\.toml: .*UTF-8"):
        load_scripts(tmp_path)


def test_two_scripts_with_one_prompt_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    (tmp_path / "b.toml").write_text(GOOD)
    with pytest.raises(UserError, match=re.escape("b.toml: prompt: the same as in a.toml")):
        load_scripts(tmp_path)


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "agentbatch.rehearsal", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def post(base_url: str, prompt: str) -> int:
    body = {"model": "rehearsal-coder", "tools": [{}], "messages": [{"role": "user", "content": prompt}]}
    request = urllib.request.Request(f"{base_url}/chat/completions", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize(
    ("arguments", "played", "unknown"),
    [
        ([], sample_scripts()[0].prompt, "bench task 1"),
        (["--benchmark"], "bench task 1", sample_scripts()[0].prompt),
    ],
)
def test_command_prints_its_url_serves_and_stops_on_sigterm(
    arguments: list[str], played: str, unknown: str
) -> None:
    with running(*arguments) as (process, base_url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", base_url)
        assert post(base_url, played) == 200
        assert post(base_url, unknown) == 400
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=300)
        assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.slow
def test_command_plays_a_folder_and_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    with running("--scripts", str(tmp_path)) as (_, base_url):
        assert [post(base_url, "do it"), post(base_url, "do it")] == [503, 200]
    (tmp_path / "a.toml").write_text("prompt = ")
    command = [sys.executable, "-m", "agentbatch.rehearsal", "--scripts", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 2
    assert "a.toml: not TOML" in result.stderr
    assert "Traceback" not in result.stderr
