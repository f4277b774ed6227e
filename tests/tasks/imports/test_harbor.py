"""Task folders of Harbor's: what is made of them, and what cannot be."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentbatch.tasks.imports.dockerfile import read_dockerfile
from agentbatch.tasks.imports.harbor import ROOT, prompt_here, read_toml, relocated
from agentbatch.tasks.imports.import_tasks import ImportOptions, import_tasks
from agentbatch.tasks.imports.imported import CannotImport
from agentbatch.tasks.spec.task_file import load_tasks

GOOD: Mapping[str, str] = {
    "instruction.md": "Write primes.py.\n",
    "task.toml": '[agent]\ntimeout_sec = 60.0\n[verifier]\nenv = {KIND = "a b"}\n[environment]\nenv = {X = "1"}\n',
    "environment/Dockerfile": "FROM ubuntu\nWORKDIR /app\nRUN x \\\n && y\nCOPY data/ ./in/\n",
    "environment/data/a.txt": "hi\n",
    "tests/test.sh": """\
[ "$KIND" = "a b" ] && grep -q hi /app/in/a.txt && . /tests/more.sh && echo "$R" > /logs/verifier/reward.txt
""",
    "tests/more.sh": "R=$(cat /app/answer)\n",
    "solution/solve.sh": "echo 1 > answer\n",
}


def lay_down(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def wanted(into: Path) -> ImportOptions:
    return ImportOptions(into, None, "", False, "", None)


@pytest.mark.parametrize(("answer", "solved"), [("1.0", True), ("11", False), (None, False)])
def test_a_task_folder_becomes_a_task(tmp_path: Path, answer: str | None, solved: bool) -> None:
    lay_down(tmp_path / "all/primes", GOOD)
    told = list(import_tasks([tmp_path / "all"], wanted(tmp_path / "into"), {}))
    assert told[0][:2] == ("imported", "primes")
    assert told[1].sentence == "its container is not built: RUN of its Dockerfile left out."
    (task,) = load_tasks(tmp_path / "into/task.json")
    assert (task.id, task.timeout, task.env) == ("primes", 60, {"X": "1"})
    root = (tmp_path / "into" / task.dir).rename(tmp_path / "a & b#c")
    assert [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()] == ["in/a.txt"]
    if answer is not None:
        (root / "answer").write_text(answer)
    (root / ".agentbatch-hidden/logs/verifier").mkdir(parents=True)
    (root / ".agentbatch-hidden/logs/verifier/reward.txt").write_text("1\n")
    codes = [
        subprocess.run(["bash", "-c", one], cwd=root, check=False).returncode for one in task.hidden_verify
    ]
    assert codes[:-1] == [0] * (len(codes) - 1)
    assert (codes[-1] == 0) is solved


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"instruction.md": None}, "it has no instruction.md."),
        ({"instruction.md": None, "task.yaml": "x"}, "a task of the first terminal-bench"),
        ({"instruction.md": "  "}, "first_prompt must not be empty"),
        ({"instruction.md": "Write /app/x.py"}, "its prompt names /app, which only its container has"),
        ({"task.toml": None}, "it has no task.toml"),
        ({"task.toml": "a = "}, "task.toml: "),
        ({"task.toml": "[agent]\ntimeout_sec = 'x'"}, "task.toml: agent.timeout_sec must be a number"),
        ({"task.toml": "a = " + "[" * 10_000}, "task.toml: nested too deeply"),
        ({"task.toml": "[agent]\ntimeout_sec = inf"}, "timeout must be"),
        ({"environment/Dockerfile": "RUN x\n" * 501}, "more than 500 instructions"),
        ({"task.toml": "[[steps]]\nname = 'a'"}, "it has several steps"),
        ({"task.toml": "[verifier.env]\nKEY = '${KEY}'"}, "its variable KEY is taken from the environment"),
        ({"task.toml": "[verifier.env]\n'A;x' = '1'"}, "'A;x' is not a name for an environment variable"),
        ({"task.toml": "[environment]\nmcp_servers = [1]"}, "it needs MCP servers"),
        ({"tests/test.sh": None}, "it has no tests/test.sh"),
        ({"environment/docker-compose.yaml": "x"}, "it needs several containers"),
        ({"environment/Dockerfile": "COPY ../../../etc/passwd ."}, "which is not in its folder"),
        ({"tests/\n": "x"}, "a name in it that is no text"),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path: Path, changes: Mapping[str, Any], sentence: str) -> None:
    files = {path: text for path, text in {**GOOD, **changes}.items() if text is not None}
    lay_down(tmp_path / "bad", files)
    (told,) = import_tasks([tmp_path / "bad"], wanted(tmp_path / "into"), {})
    assert told.done == "left out"
    assert sentence in told.sentence
    assert not (tmp_path / "into/task.json").exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    lay_down(tmp_path / "bad", GOOD)
    (tmp_path / "bad/tests/passwd").symlink_to("/etc/passwd")
    (told,) = import_tasks([tmp_path / "bad"], wanted(tmp_path / "into"), {})
    assert "tests/passwd is a link or no regular file" in told.sentence
    (tmp_path / "all").mkdir()
    (tmp_path / "all/linked").symlink_to(lay_down(tmp_path / "good", GOOD))
    (told,) = import_tasks([tmp_path / "all"], wanted(tmp_path / "into"), {})
    assert told.sentence == "it is a link."
    assert next(import_tasks([tmp_path / "all/linked"], wanted(tmp_path / "into"), {})).task == "good"


@pytest.mark.parametrize(
    ("dockerfile", "copies", "left_out"),
    [
        ("WORKDIR /app\nCOPY a.txt .", [("a.txt", "a.txt")], ()),
        ("WORKDIR /app\nCOPY a.txt b.txt", [("a.txt", "b.txt")], ()),
        ("WORKDIR /app\nCOPY a.txt /app/in/", [("a.txt", "in/a.txt")], ()),
        ("WORKDIR /app\nCOPY d .", [("d/x.py", "x.py"), ("d/e/y.py", "e/y.py")], ()),
        ("WORKDIR /app\nCOPY d/ /app/d", [("d/x.py", "d/x.py"), ("d/e/y.py", "d/e/y.py")], ()),
        ("WORKDIR /app\nCOPY *.txt ./", [("a.txt", "a.txt")], ()),
        ('WORKDIR /app\nCOPY ["a.txt", "c d.txt"]', [("a.txt", "c d.txt")], ()),
        ("WORKDIR /app\nCOPY --chown=a:b a.txt ./", [("a.txt", "a.txt")], ()),
        ("workdir /app\nworkdir sub\ncopy a.txt .", [("a.txt", "a.txt")], ()),
        ("COPY a.txt .", [("a.txt", "a.txt")], ()),
        ("WORKDIR //app/../app\nCOPY a.txt //app/", [("a.txt", "a.txt")], ()),
        ("WORKDIR /app\nCOPY " + "[" * 10_000, [], ("COPY",)),
        ("WORKDIR /app\nCOPY a.txt /etc/x", [], ("COPY",)),
        ("WORKDIR /app\nCOPY a.txt /app/../x", [], ("COPY",)),
        ("WORKDIR /app\nCOPY a.txt ../../x", [], ("COPY",)),
        ("WORKDIR /app\nCOPY --from=build /x .", [], ("COPY",)),
        ("WORKDIR /app\nADD https://x/y .", [], ("ADD",)),
        ("WORKDIR /app\nCOPY <<EOF x\nwords here\nEOF", [], ("COPY", "WORDS", "EOF")),
        ("# c\nWORKDIR /app\nRUN a \\\n  COPY a.txt .\nENV X=1\nCMD x", [], ("RUN", "ENV")),
    ],
)
def test_what_a_dockerfile_copies(
    dockerfile: str, copies: Sequence[tuple[str, str]], left_out: Sequence[str]
) -> None:
    build = read_dockerfile(dockerfile, ["Dockerfile", "a.txt", "d/x.py", "d/e/y.py"])
    assert (list(build.copies), build.left_out) == (copies, left_out)


@pytest.mark.parametrize(
    ("prompt", "here"),
    [
        ("Write /app/x.py.", "Write x.py."),
        ("Look into /app, then `cd /app`.", "Look into ./, then `cd ./`."),
        ("Write to /app/out/ only", "Write to out/ only"),
        ("Not /application, my/app, https://x/app or /app.py", "Not /application, my/app, https://x/app or /app.py"),
    ],
)  # fmt: skip
def test_paths_of_a_prompt(prompt: str, here: str) -> None:
    assert prompt_here(prompt, "/app", rewrite=True) == here


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("cd /app && ls /app/x", f"cd {ROOT} && ls {ROOT}/x"),
        ("pytest /tests/test_a.py", f"pytest {ROOT}/.agentbatch-hidden/tests/test_a.py"),
        ("> /logs/verifier/reward.txt", f"> {ROOT}/.agentbatch-hidden/logs/verifier/reward.txt"),
        ("$X/tests/a my/tests ${X}/app ./logs", "$X/tests/a my/tests ${X}/app ./logs"),
    ],
)
def test_places_in_test_files(text: str, there: str) -> None:
    assert relocated(text.encode(), "/app") == there.encode()


def test_other_tables_of_task_toml_are_let_be() -> None:
    assert read_toml('schema_version = "9"\n[future]\nx = 1\n[environment]\ncpus = 2').environment.env == {}
    with pytest.raises(CannotImport):
        read_toml("[environment.env]\nX = 1")


def test_the_task_file_is_json_that_is_read_again(tmp_path: Path) -> None:
    lay_down(tmp_path / "one", GOOD)
    list(import_tasks([tmp_path / "one"], wanted(tmp_path / "into"), {}))
    (entry,) = json.loads((tmp_path / "into/task.json").read_text())["tasks"]
    assert [*entry] == ["id", "dir", "first_prompt", "timeout", "env", "hidden_verify"]
