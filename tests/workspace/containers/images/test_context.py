"""What goes into the build of a Dockerfile."""

from pathlib import Path

import pytest

from agentbatch.workspace.containers.images.context import Chosen, named

ALL = frozenset({"."})


@pytest.mark.parametrize(
    ("dockerfile", "places"),
    [
        ("FROM x\nRUN pip install y\n", set()),
        ("FROM x\nCOPY . /app\n", {"."}),
        ("from x\ncopy ./ /app\n", {"."}),
        ("FROM x\nCOPY requirements.txt setup.py /app/\n", {"requirements.txt", "setup.py"}),
        ("FROM x\nADD --chown=1:1 --link /src/./a/ b\n", {"src/a"}),
        ('FROM x\nCOPY ["a", "b/c", "/to/"]\n', {"a", "b/c"}),
        ('FROM x\nCOPY ["a, "b"]\n', None),
        ("FROM x\nCOPY *.toml /app/\n", {"."}),
        ("FROM x\nCOPY src/*/a.py lib/[ab] /app/\n", {"src", "lib"}),
        ("FROM x\nCOPY ../up a/../../b /app/\n", {"."}),
        ("FROM x\nCOPY a/.. /app/\n", {"."}),
        ("FROM x AS one\nFROM y\nCOPY --from=one /made /made\n", set()),
        ("FROM x\nADD https://example.org/a.tar git@example.org:a/b /to/\n", set()),
        ("FROM x\nARG FROM_HERE=a\nCOPY $FROM_HERE /to\n", None),
        ("FROM x\nCOPY a\\ b /to\n", None),
        ("FROM x\nRUN --mount=type=bind,target=/in true\n", None),
        ("FROM x\nRUN echo --mount\nCOPY a /to\n", None),
        ("FROM x\nONBUILD COPY . /app\n", set()),
        ("FROM x\nCOPY a \\\n  # a comment\n\n   b \\\n /to\n", {"a", "b"}),
        ("FROM x\nRUN true && \\\n  COPY a b\nCOPY c /d", {"c"}),
        ("FROM x\nCOPY a /to\\", {"a"}),
        ("# escape=`\nFROM x\nCOPY a `\n b /to\n", {"a", "b"}),
        ("# syntax=docker/dockerfile:1.7\n# escape=`\nFROM x\nCOPY a `\n b /to\n", {"a", "b"}),
        ("# syntax = docker/dockerfile\nFROM x\nCOPY a /b\n", {"a"}),
        ("# syntax=example/other\nFROM x\nCOPY a /b\n", None),
        ("FROM x\nCOPY <<EOF /to\nCOPY b /to\nEOF\n", {"b"}),
        ("\ufeffFROM x\r\nCOPY a /b\r\n", {"a"}),
        ("", set()),
        ("COPY", set()),
    ],
)
def test_what_it_names(dockerfile: str, places: set[str] | None) -> None:
    assert named(dockerfile) == places


FILES = (
    "Dockerfile",
    ".dockerignore",
    "a/1",
    "a/sub/2",
    "b/3",
    "out.json",
    "tasks/x/4",
    "tasks/y/5",
    ".env",
    "z",
)


@pytest.mark.parametrize(
    ("copies", "chosen"),
    [
        ("", set()),
        ("COPY . /", {"a/1", "a/sub/2", "b/3", "link", "z"}),
        ("COPY a/sub /", {"a/sub/2"}),
        ("COPY tasks /", set()),
        ("COPY tasks/x/4 /", {"tasks/x/4"}),
        ("COPY . /\nCOPY tasks/y /", {"a/1", "a/sub/2", "b/3", "link", "tasks/y/5", "z"}),
        ("COPY out.json /", {"out.json"}),
        ("COPY link/2 /", {"link", "a/sub/2"}),
        ("COPY .env /", set()),
        ("COPY $ALL /", {*FILES, "link"} - {".env"}),
    ],
)  # fmt: skip
def test_what_goes_in(tmp_path: Path, copies: str, chosen: set[str]) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("a/sub")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM x\n{copies}\n")
    apart = [tmp_path / "tasks/x", tmp_path / "tasks/y", tmp_path / "out.json", tmp_path, tmp_path.parent]
    found = list(Chosen(tmp_path, dockerfile, [tmp_path / ".env"], apart).files())
    names = [
        path.relative_to(tmp_path).as_posix() for path in found if not path.is_dir() or path.is_symlink()
    ]
    assert sorted(names) == sorted({*chosen, "Dockerfile", ".dockerignore"})
