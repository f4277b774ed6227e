"""A batch's input file, read one line at a time."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.requests.spec.input_file import MAX_LINE, MAX_PROBLEMS, check_requests, read_requests
from agentbatch.requests.spec.request import BatchRequest


def write(folder: Path, lines: Iterable[bytes], end: bytes = b"\n") -> Path:
    path = folder / "in.jsonl"
    path.write_bytes(b"".join(line + end for line in lines))
    return path


def short(name: str) -> bytes:
    return json.dumps({"id": name, "prompt": "x"}).encode()


def refused(path: Path) -> list[str]:
    with pytest.raises(UserError) as told:
        check_requests(path, lambda request: None)
    return [line.removeprefix(str(path)) for line in str(told.value).splitlines()]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n \n"])
def test_lines_are_requests_in_their_order(tmp_path: Path, end: bytes) -> None:
    path = write(tmp_path, [b"\xef\xbb\xbf" + short("a"), short("b"), short("c")], end)
    assert [request.id for request in read_requests(path)] == ["a", "b", "c"]
    seen: list[BatchRequest] = []
    assert check_requests(path, seen.append) == len(seen) == 3


def test_it_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, [short("a"), b"nonsense"])
    requests = read_requests(path)
    assert next(requests).id == "a"  # the second line has not been looked at
    with pytest.raises(UserError, match="line 2: not JSON"):
        next(requests)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([short("a"), b"{"], [", line 2: not JSON"]),
        ([b"7"], [", line 1: a JSON object is wanted, not int."]),
        ([b"[" * 100_000], [", line 1: nested too deeply."]),
        ([b'{"prompt": "x"}'], [", line 1: `id` is missing."]),
        ([b'{"custom_id": "a", "body": {}}'], [", line 1: `url` is missing."]),
        ([b'{"custom_id": "a", "url": "/v1/x", "body": {}}'], [", line 1: `url` must be one of /v1/chat"]),
        ([b'{"id": "", "prompt": "x"}'], [", line 1: `id`: "]),
        ([b'{"id": "\\ud800", "prompt": "x"}'], [", line 1: `id`: "]),
        ([b'{"id": 7, "prompt": "x"}'], [", line 1: `id`: "]),
        ([b'{"id": "a", "promt": "x"}'], [", line 1: `promt` is not known; did you mean `prompt`?"]),
        ([short("a"), b"", short("b"), short("a")], [", line 4: the id 'a' stands in line 1 already"]),
        ([short("a"), b"no", short("a")], [", line 2: not JSON", ", line 3: the id 'a' stands in line 1"]),
        ([], [" holds no requests"]),
        ([b"", b"  "], [" holds no requests"]),
        ([b"\xef\xbb\xbf"], [" holds no requests"]),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, lines: list[bytes], told: list[str]) -> None:
    found = refused(write(tmp_path, lines))
    assert [line.startswith(begin) for line, begin in zip(found, told, strict=True)] == [True] * len(told), (
        found
    )


def test_no_more_is_told_than_somebody_reads(tmp_path: Path) -> None:
    found = refused(write(tmp_path, [b"x"] * (MAX_PROBLEMS + 5)))
    assert (len(found), found[-1]) == (MAX_PROBLEMS + 1, "There may be more.")
    found = refused(write(tmp_path, [b"x"] * (MAX_PROBLEMS - 1)))
    assert (len(found), "There may be more." in found) == (MAX_PROBLEMS - 1, False)


def test_the_longest_line(tmp_path: Path) -> None:
    frame = json.dumps({"id": "a", "prompt": ""}).encode()
    fits = frame.replace(b'""', b'"' + b"x" * (MAX_LINE - len(frame) - 1) + b'"')
    path = write(tmp_path, [fits])
    assert (len(fits), check_requests(path, lambda request: None)) == (MAX_LINE - 1, 1)
    assert refused(write(tmp_path, [short("b"), fits + b"  "]))[0].startswith(", line 2: longer than 16 MB")


def test_what_the_caller_refuses_has_its_line_too(tmp_path: Path) -> None:
    def check(request: BatchRequest) -> None:
        if request.id == "b":
            raise UserError("no model.")

    with pytest.raises(UserError, match=r"in\.jsonl, line 2: no model\."):
        check_requests(write(tmp_path, [short("a"), short("b")]), check)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for read in (lambda: list(read_requests(tmp_path / "x")), lambda: check_requests(tmp_path / "x", print)):
        with pytest.raises(UserError, match="x cannot be read: No such file or directory"):
            read()
