import json
import os
import subprocess
from pathlib import Path

import pytest

from agentbatch.local.catalogue import CATALOGUE
from tests.support import commands


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}


def models(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return commands.run("models", *words, cwd=Path.cwd(), env=environ)


def test_the_list_fits_a_terminal(environ: dict[str, str], tmp_path: Path) -> None:
    done = models(environ)
    assert done.returncode == 0
    table = done.stdout.split("\n\n")[0].splitlines()
    assert len(table) == 1 + len(CATALOGUE)
    assert max(map(len, table)) <= 80
    for model, line in zip(CATALOGUE, table[1:], strict=True):
        assert line.startswith(f"  {model.name} ")
        assert model.sha256[:7] in line
        assert line.endswith(model.good_for)


def test_what_is_here_is_marked_and_others_are_shown(
    environ: dict[str, str], tmp_path: Path, smollm2: Path
) -> None:
    folder = tmp_path / "agentbatch" / "models"
    folder.mkdir(parents=True)
    (folder / CATALOGUE[1].file).write_bytes(b"GGUF")
    (folder / "my-own.gguf").symlink_to(smollm2)
    (folder / "half.gguf.0123.part").write_bytes(b"GGUF")
    lines = models(environ).stdout.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("✓")] == [CATALOGUE[1].name, "my-own"]
    records = {r["name"]: r for r in json.loads(models(environ, "--json").stdout)["models"]}
    assert records["my-own"]["sizeBytes"] == smollm2.stat().st_size
    assert records[CATALOGUE[1].name]["sha256"] == CATALOGUE[1].sha256
    assert [name for name, r in records.items() if r["present"]] == [CATALOGUE[1].name, "my-own"]

    assert models(environ, "rm", "my-own").returncode == 0
    assert not (folder / "my-own.gguf").exists()
    assert smollm2.exists()
    assert models(environ, "rm", "my-own").returncode == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["pull"], "models pull: name a model"),
        (["pull", "qwen2.5-coder-7"], "did you mean qwen2.5-coder-7b?"),
        (["pull", "a/b"], "is not a model"),
        (["rm", "../../etc/passwd"], "is not in"),
    ],
)
def test_what_cannot_be_done(environ: dict[str, str], words: list[str], sentence: str) -> None:
    done = models(environ, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
