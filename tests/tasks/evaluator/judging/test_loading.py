"""What nobody has run is loaded: real interpreters, in this process's directory instead of a workspace."""

import shutil
import subprocess
from pathlib import Path

import pytest

from agentbatch.tasks.evaluator.judging.loading import MOST, loading


@pytest.mark.parametrize(
    ("files", "loads"),
    [
        ({"a.py": "import b\nprint(b.X)\n", "b.py": "X = 1\n"}, True),
        ({"a.py": "def f(:\n"}, False),
        ({"a.py": "import nothing_like_it\n"}, True),
        ({"a.py": "from b import y\n", "b.py": "X = 1\n"}, False),
        ({"a.py": "import b.c\n", "b.py": "X = 1\n"}, False),
        ({"a.py": "from math import nothing_like_it\n"}, False),
        ({"a.py": "open('no such file')\n"}, True),
        ({"a.py": "import os\nos.environ['NOTHING_LIKE_IT']\n"}, True),
        ({"app/a.py": "import app.b\nimport c\n", "app/b.py": "", "src/c.py": ""}, True),
        ({"a.py": "import subprocess\nsubprocess.run('false', check=True)\n"}, True),
        ({"a.py": "import sys\ndef f(a):\n    return a[1]\nf(sys.argv)\n"}, True),
        ({"a.py": "class E(Exception): ...\nraise E\n"}, False),
        ({"a.py": "import b\nraise b.E\n", "b.py": "class E(Exception): ...\n"}, False),
        ({"a.py": "print(undefined)\n"}, False),
        ({"a.py": "import sys\nn = int(sys.argv[1])\n"}, True),
        ({"a.py": "n = int(input())\nname = input()\n"}, True),
        ({"a.py": "raise SystemExit(2)\n"}, True),
        ({"a.py": "1 / 0\n"}, False),
        ({"a.py": "if __name__ == '__main__':\n    1 / 0\n"}, True),
        ({"pkg/a.py": "from . import b\n", "pkg/b.py": "X = 1\n"}, True),
        ({"test_a.py": "import nothing_like_it\n"}, True),
        ({"test_a.py": "def f(:\n"}, False),
        ({"odd name'.py": "X = 1\n", "-x.py": "X = 1\n"}, True),
        ({"a.sh": "if true; then echo; fi\n"}, True),
        ({"a.sh": "if true; then echo\n"}, False),
        ({"run": "#!/usr/bin/env python3\ndef f(:\n"}, True),
    ],
)
def test_what_loads(tmp_path: Path, files: dict[str, str], loads: bool) -> None:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    done = subprocess.run(
        ["bash", "-c", loading(list(files))], cwd=tmp_path, capture_output=True, stdin=subprocess.DEVNULL
    )
    assert (done.returncode == 0) is loads, done.stderr
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not there")
def test_javascript_is_parsed(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("function f( {\n")
    assert subprocess.run(["bash", "-c", loading(["a.js"])], cwd=tmp_path, capture_output=True).returncode


@pytest.mark.parametrize(("second", "loads"), [("1 / 0\n", False), ("", True)])
def test_what_does_not_end_hides_no_other(tmp_path: Path, second: str, loads: bool) -> None:
    (tmp_path / "a.py").write_text("import threading\nthreading.Event().wait()\n")
    (tmp_path / "b.py").write_text(second)
    done = subprocess.run(["bash", "-c", loading(["a.py", "b.py"], 0.1)], cwd=tmp_path, capture_output=True)
    assert (done.returncode == 0) is loads


def test_no_more_are_loaded_than_takes_a_moment() -> None:
    assert loading([f"f{n}.sh" for n in range(1000)]).count("bash -n") == MOST
    assert loading([]) == ""
