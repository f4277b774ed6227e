from pathlib import Path

import pytest

from agentbatch.local.server import MAX_CAUSE, explaining_line, last_error


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (
            [
                "0.00.005.152 I srv    load_model: loading model 'x.gguf'",
                "0.00.047.199 E llama_model_load: error loading model: tensor 'a.weight' data is not in the file",
                "0.00.047.225 E llama_model_load_from_file_impl: failed to load model",
                "0.00.047.237 I srv    operator(): operator(): cleaning up before exit...",
                "0.00.047.706 E srv          init: exiting due to model loading error",
            ],
            "tensor 'a.weight' data is not in the file",
        ),
        (
            ["0.00.005.521 E gguf_init_from_reader: invalid magic characters: 'hell'"],
            "invalid magic characters: 'hell'",
        ),
        (["terminate called", "  what():  std::bad_alloc"], "what(): std::bad_alloc"),
        (["/src/ggml.c:12: GGML_ASSERT(ctx) failed"], "/src/ggml.c:12: GGML_ASSERT(ctx) failed"),
        (["0.00.1 I all: is well", ""], ""),
        ([], ""),
        (["0.1.1 E x: evil \x1b]0;title\x07"], "evil ]0;title"),
    ],
)
def test_the_line_that_says_why(lines: list[str], cause: str) -> None:
    assert explaining_line(lines) == cause


def test_long_logs_and_none(tmp_path: Path) -> None:
    log = tmp_path / "llama.log"
    assert last_error(log) == ""
    log.write_bytes(b"noise\n" * 200_000 + b"0.1.1 E x: " + b"y" * 1000 + b"\xff\n")
    assert last_error(log).startswith("yyy")
    assert len(last_error(log)) == MAX_CAUSE
