import re
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.local.catalogue import CATALOGUE
from agentbatch.local.download import HubFile
from agentbatch.local.models_folder import find_model, models_folder


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path / "home")}


def put(environ: dict[str, str], name: str) -> Path:
    folder = models_folder(environ)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"GGUF")
    return folder / name


def test_cache_of_the_user(tmp_path: Path) -> None:
    assert models_folder({"HOME": "/home/x"}) == Path("/home/x/.cache/agentbatch/models")
    assert models_folder({"HOME": "/home/x", "XDG_CACHE_HOME": "/big"}) == Path("/big/agentbatch/models")
    # The specification: what is not absolute does not count.
    assert models_folder({"HOME": "/home/x", "XDG_CACHE_HOME": "rel"}) == Path(
        "/home/x/.cache/agentbatch/models"
    )


def test_names_and_files(tmp_path: Path, environ: dict[str, str]) -> None:
    known = put(environ, CATALOGUE[1].file)
    other = put(environ, "Other-Q4.gguf")
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF")
    assert find_model("qwen2.5-coder-1.5b", tmp_path, environ) == ("qwen2.5-coder-1.5b", known)
    assert find_model("QWEN2.5-Coder-1.5B", tmp_path, environ) == ("qwen2.5-coder-1.5b", known)
    assert find_model("other-q4", tmp_path, environ) == ("Other-Q4", other)
    assert find_model("own.gguf", tmp_path, environ) == ("own", own)
    assert find_model(str(own), Path("/"), environ) == ("own", own)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("none.gguf", "there is no file"),
        (
            "qwen2.5-coder-7b",
            "has not been downloaded yet; get it with `agentbatch models pull qwen2.5-coder-7b`",
        ),
        ("qwen2.5-coder-8b", "did you mean qwen2.5-coder-7b?"),
        ("zzz", "`agentbatch models` lists them"),
    ],
)
def test_what_is_not_there(tmp_path: Path, environ: dict[str, str], given: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        find_model(given, tmp_path, environ)
    assert sentence in str(caught.value)


def test_catalogue_is_sound() -> None:
    assert len({model.name for model in CATALOGUE}) == len({m.sha256 for m in CATALOGUE}) == len(CATALOGUE)
    for model in CATALOGUE:
        assert re.fullmatch("[0-9a-f]{64}", model.sha256)
        assert HubFile.parse(f"{model.repository}/{model.file}").local_name == model.file
        assert [m.size for m in CATALOGUE] == sorted(m.size for m in CATALOGUE)


@pytest.mark.parametrize(
    "given",
    [
        "a/b",
        "a/b/c.bin",
        "/a/b.gguf",
        "a/../c.gguf",
        "a/b/../../x.gguf",
        "a/b/.gguf",
        "a/b/c.gguf?x",
        "a//c.gguf",
        "a/b/c;d.gguf",
    ],
)
def test_addresses_that_are_none(given: str) -> None:
    with pytest.raises(UserError, match="is not a model"):
        HubFile.parse(given)


def test_a_folder_in_the_place_of_a_model_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with pytest.raises(UserError, match="is a folder; name a .gguf file in it"):
        find_model("./models", tmp_path, {"HOME": str(tmp_path)})
