import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.cli.tasks import cost
from agentbatch.config import DEFAULT_COMPARISON
from agentbatch.errors import UserError
from tests.support.model_names import NAMES
from tests.support.subcommand import run_command


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AGENTBATCH_COMPARE_MODELS", "AGENTBATCH_PRICES"):
        monkeypatch.delenv(name, raising=False)


def run(*argv: str) -> int:
    return run_command(cost, *argv)


def own_prices(path: Path) -> str:
    """A price file with round figures, so that the tests do not depend on today's prices."""
    path.write_text(
        '[models."m-cheap"]\ninput = 1.0\noutput = 2.0\ncached = 0.5\n'
        '[models."m-dear"]\ninput = 10.0\noutput = 20.0\n',
        encoding="utf-8",
    )
    return str(path)


def results(path: Path, **stats: object) -> str:
    """A results file with the keys of the original."""
    totals = {"totalTokens": 3_000_000, "promptTokens": 2_000_000, "completionTokens": 1_000_000, "calls": 40}
    document: dict[str, Any] = {
        "summary": {"totalTasks": 1, "totalTokenStats": totals | stats},
        "results": [],
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def test_numbers_on_the_default_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--input", "1,200", "--output", "1250") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["1,200 input tokens, 1,250 output tokens, 1 call", ""]
    assert {text.split()[0] for text in lines[3:]} == set(DEFAULT_COMPARISON)
    assert max(map(len, lines)) <= 80
    assert "–" not in "".join(lines)


def test_own_prices_and_the_cached_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = own_prices(tmp_path / "own.toml")
    numbers = ("--input", "1000000", "--cached", "400000", "--output", "500000")
    assert run(*numbers, "--models", "m-dear,m-cheap", "--prices", prices) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1,000,000 input tokens (400,000 cached), 500,000 output tokens, 1 call",
        "",
        "model       input  output   total  vs least",
        "m-cheap   $0.8000   $1.00   $1.80     1.00x  █▊",
        "m-dear     $10.00  $10.00  $20.00       11x  ████████████████████",
    ]


def test_prices_toml_and_the_variables_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own_prices(tmp_path / "prices.toml")
    (tmp_path / ".env").write_text("AGENTBATCH_COMPARE_MODELS=m-dear\n", encoding="utf-8")
    run("--input", "1", "--output", "1")
    assert "m-dear" in capsys.readouterr().out
    monkeypatch.setenv("AGENTBATCH_COMPARE_MODELS", "m-cheap")
    run("--input", "1", "--output", "1")
    out = capsys.readouterr().out
    assert "m-cheap" in out
    assert "m-dear" not in out


def test_a_results_file_of_the_original(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = own_prices(tmp_path / "own.toml")
    assert run(results(tmp_path / "r.json"), "--models", "m-cheap", "--prices", prices, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["tokens"]["calls"] == 40
    assert document["actualCost"] is None
    assert document["comparison"] == [
        {"model": "m-cheap", "inputCost": 2.0, "outputCost": 2.0, "totalCost": 4.0}
    ]


def test_a_results_file_of_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = own_prices(tmp_path / "own.toml")
    path = Path(results(tmp_path / "r.json", cachedTokens=1_000_000, estimated=True))
    document = json.loads(path.read_text(encoding="utf-8"))
    document["summary"]["cost"] = {"total": 7.0, "currency": "USD"}
    path.write_text(json.dumps(document), encoding="utf-8")
    assert run(str(path), "--models", "m-cheap", "--prices", prices) == 0
    assert capsys.readouterr().out.splitlines() == [
        "≈2,000,000 input tokens (1,000,000 cached), ≈1,000,000 output tokens, 40 calls",
        "the run itself cost $7.00",
        "",
        "model     input  output  total  vs actual",
        "m-cheap   $1.50   $2.00  $3.50      0.50x  ████████████████████",
    ]


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        ([], "--input TOKENS and --output TOKENS"),
        (["--input", "5"], "--input TOKENS and --output TOKENS"),
        (["--input", "-5", "--output", "1"], "--input: must be a whole number of 0 or more, not '-5'"),
        (["--input", "1.5", "--output", "1"], "--input: must be a whole number"),
        (["--input", "1", "--output", "x"], "--output: must be a whole number"),
        (["--input", "²", "--output", "1"], "--input: must be a whole number"),
        (["--input", "9" * 5000, "--output", "1"], "--input: must be a whole number"),
        (["--input", "1", "--output", "1", "--cached", "2"], "--cached: 2 is more than --input"),
        (["--input", "1", "--output", "1", "--calls", "0"], "--calls: must be a whole number of 1 or more"),
        (["--input", "1", "--output", "1", "--models", "gtp-4o"], "'gtp-4o'. Did you mean 'gpt-4o'"),
        (["--input", "1", "--output", "1", "--models", "zqxj-000-wv"], "Add it to prices.toml"),
        (["--input", "1", "--output", "1", "--models", " , "], "name at least one model"),
        (["--input", "1", "--output", "1", "--prices", "nowhere.toml"], "nowhere.toml"),
        (["r.json", "--input", "1"], "not both"),
        (["nowhere.json"], "There is no results file nowhere.json"),
        (["."], "is a folder"),
    ],
)
def test_mistakes_on_the_command_line_get_a_sentence(argv: list[str], part: str) -> None:
    with pytest.raises(UserError) as caught:
        run(*argv)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "is not JSON: line 1, column 1"),
        (b'{"summary": {\n  "totalTokenStats": ]}', "is not JSON: line 2, column 22"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"[]", "is not a results file"),
        (b"{}", "is not a results file"),
        (b'{"summary": {"totalTokenStats": {}}}', "is not a results file"),
        (b'{"summary": {"totalTokenStats": {"promptTokens": -1}}}', "promptTokens must be a whole number"),
        (b'{"summary": {"totalTokenStats": {"promptTokens": true}}}', "promptTokens must be a whole number"),
        (
            b'{"summary": {"totalTokenStats": {"promptTokens": 1, "calls": "2"}}}',
            "calls must be a whole number",
        ),
        (b"[" * 100_000, "is not a results file"),
    ],
)
def test_files_that_are_no_results_get_a_sentence(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        run(str(path))
    assert part in str(caught.value)


def test_what_was_written_into_the_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = ("--input", "1000000", "--cached", "400000", "--cache-write", "500000", "--output", "0")
    assert run(*numbers, "--models", "claude-opus-5") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "1,000,000 input tokens (400,000 cached, 500,000 written into the cache), 0 output"
    )
    with pytest.raises(UserError, match="--cache-write: 700,000 is more than the rest of --input"):
        run("--input", "1000000", "--cached", "400000", "--cache-write", "700000", "--output", "0")
    stats = {"cachedTokens": 400_000, "cacheWriteTokens": 500_000}
    assert run(results(tmp_path / "r.json", **stats), "--json") == 0
    assert json.loads(capsys.readouterr().out)["tokens"]["cacheWriteTokens"] == 500_000


def test_the_names_cost_what_genai_prices_says(capsys: pytest.CaptureFixture[str]) -> None:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    names = {
        name: (place, ref) for name, url, place, ref in NAMES if url is None and place != "deepseek"
    }  # that one changes by the hour
    assert len(names) >= 20
    assert run("--input", "90000", "--cached", "30000", "--cache-write", "20000", "--output", "4000",
               "--models", ",".join(names), "--json") == 0  # fmt: skip
    used = Tokens(
        input_tokens=90_000, cache_read_tokens=30_000, cache_write_tokens=20_000, output_tokens=4_000
    )
    for row in json.loads(capsys.readouterr().out)["comparison"]:
        provider, reference = names[row["model"]]
        theirs = calc_price(used, reference, provider_id=provider)
        assert row["totalCost"] == pytest.approx(float(theirs.total_price)), row["model"]


def test_a_run_without_tokens_is_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    none = {"totalTokens": 0, "promptTokens": 0, "completionTokens": 0, "calls": 0}
    assert run(results(tmp_path / "r.json", **none)) == 0
    assert capsys.readouterr().out == (
        "0 input tokens, 0 output tokens, 0 calls\nno tokens were used: there is nothing to compare\n"
    )
