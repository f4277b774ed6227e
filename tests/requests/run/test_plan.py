"""A batch of plain requests before it is sent: what is checked, and what it would take."""

import io
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agentbatch.config import load_settings
from agentbatch.config.requests_settings import RequestsSettings
from agentbatch.display.requests.dry_run import WIDTH, render_plan
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.requests.run.assemble import keep_source
from agentbatch.requests.run.plan import plan
from agentbatch.requests.run.prepare import check_output, prepare_requests
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.store.store import Store
from tests.requests.run.prepared import prepared

CHAT = [{"role": "user", "content": "x" * 400}]


def batch(name: str, url: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    return {"custom_id": name, "method": "POST", "url": url, "body": body}


def test_requests_are_counted_by_model(tmp_path: Path) -> None:
    lines = [
        batch("a", messages=CHAT, max_tokens=1_000),
        batch("b", messages=CHAT, max_completion_tokens=1_000, model="dear"),
        batch("c", messages=CHAT, max_tokens=500),  # as many as are assumed, but it says so
        batch("d", "/v1/embeddings", input="x" * 400, model="cheap"),
    ]
    made = plan(prepared(tmp_path, lines))
    cheap, dear = made.parts["cheap"], made.parts["dear"]
    assert (cheap.requests, dear.requests, made.total.requests) == (3, 1, 4)
    assert (cheap.most, dear.most, made.total.most) == (
        1_500,
        1_000,
        2_500,
    )  # 500 where nobody says; no embedding's
    assert (cheap.unbounded, dear.unbounded) == (0, 0)
    assert made.total.input == cheap.input + dear.input > 300
    assert dear.most_cost is not None
    assert cheap.most_cost is not None
    assert dear.most_cost == pytest.approx(dear.input * 100e-6 + 1.0)
    assert cheap.most_cost == pytest.approx(cheap.input * 1e-6 + 0.015)
    assert made.total.most_cost == pytest.approx(cheap.most_cost + dear.most_cost)
    assert made.total.least_cost == pytest.approx(cheap.input * 1e-6 + dear.input * 100e-6)


def test_one_unknown_price_makes_the_sum_unknown(tmp_path: Path) -> None:
    lines = [batch("a", messages=CHAT), batch("b", messages=CHAT, model="nobody-knows")]
    made = plan(prepared(tmp_path, lines))
    assert made.parts["cheap"].most_cost is not None
    assert (made.parts["nobody-knows"].most_cost, made.total.most_cost) == (None, None)
    text = "\n".join(render_plan(made))
    assert "cost – (no price is known)" in text


def test_only_who_could_say_how_long_is_said_to_be_silent(tmp_path: Path) -> None:
    made = plan(prepared(tmp_path, [batch("a", "/v1/embeddings", input="x"), batch("b", messages=CHAT)]))
    assert (made.total.most, made.total.unbounded) == (500, 1)
    assert any(line.startswith("1 of them set no max_tokens: 500 an answer") for line in render_plan(made))


@pytest.mark.parametrize("models", [1, 3, 30])
def test_the_dry_run_fits_a_terminal(tmp_path: Path, models: int) -> None:
    lines = [batch(f"r{n}", messages=CHAT, model=f"model-{n}-" + "x" * 40) for n in range(models)]
    text = render_plan(plan(prepared(tmp_path, lines, batch_size=10)))
    assert max(map(len, text)) <= WIDTH
    assert text[-1] == "Nothing was sent."
    assert text[1] == "to https://models.example.com/v1"
    assert ("… and 10 more models" in "\n".join(text)) == (models == 30)
    assert sum("model-" in line for line in text) == (0 if models == 1 else min(models, 20))
    assert any(line.startswith("--batch-size 10 is much for so few") for line in text)


def test_the_dry_run_of_a_rehearsal(tmp_path: Path) -> None:
    text = render_plan(plan(prepared(tmp_path, [{"id": "a", "prompt": "x", "max_tokens": 7}], environ={})))
    assert text == [
        "1 request, about 21 tokens in and at most 7 out",
        "rehearsal model: scripted replies, no AI",
        "at most 10 at a time",
        "Nothing was sent.",
    ]


@pytest.mark.parametrize(
    ("options", "files", "told"),
    [
        ({"json_schema": Path("s.json")}, {}, "s.json cannot be read"),
        ({"json_schema": Path("s.json")}, {"s.json": "{"}, "s.json is not JSON"),
        ({"json_schema": Path("s.json")}, {"s.json": '{"type": "nothing"}'}, "s.json"),
        ({"system": Path("none.txt")}, {}, "none.txt cannot be read"),
        ({"max_cost": 1.0, "model": "nobody-knows"}, {}, "the price of nobody-knows is unknown"),
    ],
)
def test_what_is_asked_for_is_checked(
    tmp_path: Path, options: dict[str, Any], files: dict[str, str], told: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=told):
        prepared(tmp_path, [{"id": "a", "prompt": "x"}], **options)


def test_settings_that_make_no_sense(tmp_path: Path) -> None:
    line = {"id": "a", "prompt": "x"}
    with pytest.raises(UserError, match="starts no local model"):
        prepared(tmp_path, [line], environ={"AGENTBATCH_LOCAL": "auto"})
    with pytest.raises(UserError, match="costs nothing"):
        prepared(tmp_path, [line], environ={}, max_cost=1.0)


def test_standard_input_gets_its_place_in_the_run_and_stands_nowhere_else(tmp_path: Path) -> None:
    settings = load_settings({"judge": "none"}, {}, None)
    options = RequestsSettings(input="-", output=Path("out.jsonl"))
    given = io.BytesIO(b'{"id": "a", "prompt": "x"}\n')
    made = prepare_requests(settings, options, tmp_path, {}, stdin=given)
    assert (made.spooled, made.total, made.name) == (True, 1, "standard input")
    assert made.source.read_bytes() == given.getvalue()
    store = Store(create_run_folder(tmp_path, datetime.now()), Redactor([]))
    assert keep_source(made, store).read_bytes() == given.getvalue()
    assert not made.source.parent.exists()  # also where the process is killed from here on
    with pytest.raises(UserError, match="There is no standard input here"):
        prepare_requests(settings, options, tmp_path, {})


def test_the_output_cannot_be_the_input_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").touch()
    (tmp_path / "link.jsonl").symlink_to("in.jsonl")
    with pytest.raises(UserError, match="cannot be the input"):
        check_output(tmp_path / "link.jsonl", tmp_path / "in.jsonl")
    (tmp_path / "nowhere.jsonl").symlink_to("new.jsonl")
    with pytest.raises(UserError, match="a file that is not there"):
        check_output(tmp_path / "nowhere.jsonl", tmp_path / "in.jsonl")
    check_output(tmp_path / "out.jsonl", tmp_path / "in.jsonl")
