"""Rows of SWE-bench, against a real clone: what is made of good ones, and what hostile ones are told."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.imports.import_tasks import ImportOptions, ImportProgress, import_tasks
from agentbatch.tasks.imports.imported import CannotImport
from agentbatch.tasks.imports.swe_bench import PYTEST, RUNNERS, read_instance, runnable, runner
from agentbatch.tasks.spec.task_file import load_tasks
from agentbatch.workspace.starting.clones import PatchedFile

TESTED = "def test_old(): pass\ndef test_new():\n    from code_of import answer\n    assert answer == 42\n"


class Bench(NamedTuple):
    clones: Path
    row: Mapping[str, Any]
    folder: Path


def git(*words: str, cwd: Path) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgSign=false")
    done = subprocess.run(["git", *identity, *words], cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("swe")
    repo, clones = folder / "repo", folder / "clones"
    (repo / "tests").mkdir(parents=True)
    git("init", "-q", "-b", "main", ".", cwd=repo)
    (repo / "code_of.py").write_text("answer = 41\n")
    (repo / "tests/test_code.py").write_text("def test_old(): pass\n")
    (repo / "tests/gone.txt").write_text("x\n")
    (repo / ".gitignore").write_text("kept.log\n")
    (repo / "kept.log").write_text("in the repository, and ignored\n")
    (repo / "link").symlink_to("code_of.py")
    (repo / ".gitattributes").write_text("*.py filter=evil\nkept.log export-ignore\n")
    git("add", "-A", "-f", cwd=repo)
    git("commit", "-qm", "base", cwd=repo)
    base = git("rev-parse", "HEAD", cwd=repo).strip()
    (repo / "tests/test_code.py").write_text(TESTED)
    (repo / "tests/gone.txt").unlink()
    (repo / "tests/data.bin").write_bytes(b"\0\xff\n")
    git("add", "-A", cwd=repo)
    patch = git("diff", "--cached", "--binary", cwd=repo)
    (repo / "tests/test_code.py").write_text(TESTED + "# and more\n")
    git("commit", "-qam", "the solution is in here", cwd=repo)
    clone = clones / "acme__calc.git"
    git("clone", "-q", "--mirror", "--no-local", str(repo), str(clone), cwd=folder)
    for name, value in {
        "filter.evil.smudge": f"touch {folder / 'ran'}; cat",
        "filter.evil.clean": f"touch {folder / 'ran'}; cat",
        "core.hooksPath": str(folder / "hooks"),
    }.items():
        git("config", name, value, cwd=clone)
    row = {
        "instance_id": "acme__calc-1",
        "repo": "acme/calc",
        "base_commit": base,
        "problem_statement": "The answer is wrong.",
        "test_patch": patch,
        "patch": "secret",
        "FAIL_TO_PASS": json.dumps(["tests/test_code.py::test_new"]),
        "PASS_TO_PASS": ["tests/test_code.py::test_old", "words of a docstring"],
    }
    return Bench(clones, row, folder)


def imported(bench: Bench, into: Path, *rows: Any, **others: Any) -> list[ImportProgress]:
    source = into.parent / "rows.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows))
    wanted = {"repos": bench.clones, "test_command": "", "rewrite_paths": False, "pattern": "", "limit": None}
    return list(
        import_tasks([source], ImportOptions(into=into, **{**wanted, **others}), {"PATH": "/usr/bin:/bin"})
    )


def test_an_instance_becomes_a_directory_without_history_and_hidden_tests(
    bench: Bench, tmp_path: Path
) -> None:
    before = git("count-objects", "-v", cwd=bench.clones / "acme__calc.git")
    told = imported(bench, tmp_path / "into", bench.row)
    assert [one[:2] for one in told] == [("imported", "acme__calc-1"), ("note", "acme__calc-1")]
    (task,) = load_tasks(tmp_path / "into/task.json")
    root = tmp_path / "into" / task.dir
    assert (task.id, task.first_prompt) == ("acme__calc-1", "The answer is wrong.")
    assert (root / "tests/test_code.py").read_text() == "def test_old(): pass\n"
    assert (root / "kept.log").exists()
    assert (root / "link").readlink() == Path("code_of.py")
    assert git("log", "--all", "--format=%s", cwd=root) == "The repository as the task finds it\n"
    assert git("status", "--short", cwd=root) == ""
    assert not (bench.folder / "ran").exists()
    assert git("count-objects", "-v", cwd=bench.clones / "acme__calc.git") == before
    assert "secret" not in (tmp_path / "into/task.json").read_text()

    *lay_down, run_tests = task.hidden_verify
    assert run_tests == f"{PYTEST} tests/test_code.py::test_new tests/test_code.py::test_old"
    for command in lay_down:
        subprocess.run(["bash", "-c", command], cwd=root, check=True)
    assert (root / "tests/test_code.py").read_text() == TESTED
    assert (root / "tests/data.bin").read_bytes() == b"\0\xff\n"
    assert not (root / "tests/gone.txt").exists()
    assert not (root / ".agentbatch-hidden.packed").exists()


MAKES = "diff --git a/{0} b/{0}\nnew file mode {1}\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+x\n"


WRONG: list[tuple[Mapping[str, Any], str]] = [
    ({"instance_id": "../x"}, "id must be 1 to 100 letters"),
    ({"instance_id": "a/b"}, "id must be 1 to 100 letters"),
    ({"instance_id": ".git"}, "id must be 1 to 100 letters"),
    ({"instance_id": "ACME__calc-1"}, "its id is already that of another one"),
    ({"instance_id": None}, "instance_id must be text"),
    ({"repo": "../../etc"}, "'../../etc' is not a repository's name"),
    ({"repo": "-x/y"}, "is not a repository's name"),
    ({"repo": "acme/none"}, "no clone of acme/none in"),
    ({"base_commit": "HEAD"}, "'HEAD' is not the full name of a commit"),
    ({"base_commit": "--output=x"}, "is not the full name of a commit"),
    ({"base_commit": "0" * 40}, "000000000000 is not in"),
    ({"problem_statement": ""}, "problem_statement must not be empty"),
    ({"test_patch": "words"}, "its patch cannot be applied"),
    ({"test_patch": MAKES.format("../../x", 100644)}, "its patch cannot be applied: error: invalid path"),
    ({"test_patch": MAKES.format(".git/hooks/x", 100755)}, "its patch cannot be applied: error: invalid path"),
    ({"test_patch": MAKES.format("x", 120000)}, "its patch makes 'x' a link or a repository"),
    ({"FAIL_TO_PASS": []}, "FAIL_TO_PASS must not be empty"),
    ({"FAIL_TO_PASS": "[1"}, "FAIL_TO_PASS must be a list, or one as JSON"),
    ({"FAIL_TO_PASS": ["words"]}, "no program can be told to run its test 'words'"),
    ({"FAIL_TO_PASS": ["--co x.py"]}, "no program can be told to run"),
    ({"FAIL_TO_PASS": ["../x/test_a.py::test_b"]}, "no program can be told to run"),
    ({"FAIL_TO_PASS": ["test_a (m.C)"]}, "'m.C.test_a' is not pytest's: --test-command"),
]  # fmt: skip


@pytest.fixture(scope="module")
def refusals(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is said of WRONG, imported together with a good row."""
    folder = tmp_path_factory.mktemp("wrong")
    rows = ({**bench.row, "instance_id": f"b-{n}", **changes} for n, (changes, _) in enumerate(WRONG))
    told = imported(bench, folder / "into", bench.row, *rows)
    assert [task.id for task in load_tasks(folder / "into/task.json")] == ["acme__calc-1"]
    assert sorted(path.name for path in (folder / "into/work").iterdir()) == ["acme__calc-1"]
    assert sorted(path.name for path in folder.iterdir()) == ["into", "rows.jsonl"]
    return [one.sentence for one in told if one.done == "left out"]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_what_cannot_be_is_a_sentence(refusals: list[str], number: int) -> None:
    assert WRONG[number][1] in refusals[number]


def test_a_folder_in_use_is_left_as_it_is(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "into").mkdir()
    (tmp_path / "into/mine").write_text("x")
    with pytest.raises(UserError, match="is not empty"):
        imported(bench, tmp_path / "into", bench.row)
    with pytest.raises(UserError, match="--filter keeps none"):
        imported(bench, tmp_path / "other", bench.row, pattern="^x")
    with pytest.raises(UserError, match="need --repos DIR"):
        imported(bench, tmp_path / "other", bench.row, repos=None)


PATCHED = {"lib/tests/test_a.py": PatchedFile(b"def test_bare(x):\n"), "gone.py": PatchedFile(None)}


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("tests/test_a.py::test_b", "tests/test_a.py::test_b"),
        ("tests/test_a.py::C::test_b[a-1]", "tests/test_a.py::C::test_b[a-1]"),
        ("tests/test_a.py::test_b[a", "tests/test_a.py::test_b"),
        ("tests/test_a.py", "tests/test_a.py"),
        ("test_b (admin.tests.C)", "admin.tests.C.test_b"),
        ("test_b (admin.tests.C.test_b)", "admin.tests.C.test_b"),
        ("test_bare", "lib/tests/test_a.py::test_bare"),
        ("test_other", None),
        ("A sentence. (of a docstring)", None),
        ("/etc/test_a.py::test_b", None),
        ("a/../../test_a.py::test_b", None),
        ("-x.py::test_b", None),
        ("a.py::test_b\n--co", None),
    ],
)
def test_names_that_a_runner_takes(test: str, name: str | None) -> None:
    names, unnamed = runnable([test, test], PATCHED)
    assert ([*names], [*dict.fromkeys(unnamed)]) == (([name], []) if name else ([], [test]))


@pytest.mark.parametrize(
    ("given", "repository", "name", "command"),
    [
        ("", "a/b", "test_a.py::test_b", PYTEST),
        ("", "django/django", "m.C.test_a", RUNNERS["django/django"]),
        ("./run", "django/django", "m.C.test_a", "./run"),
        ("./run", "a/b", "m.C.test_a", "./run"),
        ("", "a/b", "m.C.test_a", None),
    ],
)
def test_what_runs_the_tests(given: str, repository: str, name: str, command: str | None) -> None:
    if command is not None:
        assert runner(given, repository, {name: None}) == command
        return
    with pytest.raises(CannotImport, match="--test-command says how"):
        runner(given, repository, {name: None})


def test_a_row_without_its_fields_is_told() -> None:
    with pytest.raises(CannotImport, match="^repo is missing"):
        read_instance({"instance_id": "a"})
    with pytest.raises(CannotImport, match="^the row must be an object"):
        read_instance(3)
