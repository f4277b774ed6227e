"""Input lines from templates: pure but for the files that hold them."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.requests.spec.make import Prompt, PromptSettings, Recipe, make, read_prompt
from agentbatch.requests.spec.make_values import combinations, read_matrix, read_rows, read_set
from agentbatch.requests.spec.request import read_line


def recipe(text: str, **more: Any) -> Recipe:
    settings = PromptSettings(**{k: more.pop(k) for k in [*more] if k in PromptSettings.model_fields})
    return Recipe(Prompt(Path("q.md"), text), settings, **more)


def made(text: str, **more: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in make(recipe(text, **more))]


def test_every_combination_as_often_as_asked() -> None:
    lists = {"kind": ["noun", "verb"], "level": [1, 2, 3]}
    lines = made("Write {{ kind }} {{ level }}, {{ n }}/{{ number }}", lists=lists, count=2, max_tokens=9)
    assert len(lines) == 12 == recipe("x", lists=lists, count=2).size
    assert lines[0] == {"id": "noun-1-1", "prompt": "Write noun 1, 1/1", "max_tokens": 9}
    assert [line["id"] for line in lines[-3:]] == ["verb-2-2", "verb-3-1", "verb-3-2"]
    assert lines[-1]["prompt"] == "Write verb 3, 2/12"


def test_what_is_made_is_what_run_reads() -> None:
    text = next(make(recipe("Ünder “x” {{ n }}", system="Be {{ n }}", temperature=0.5)))
    request = read_line(text, "line 1")
    assert request.id == "1"
    assert request.body["messages"] == [
        {"role": "system", "content": "Be 1"},
        {"role": "user", "content": "Ünder “x” 1"},
    ]
    assert request.body["temperature"] == 0.5


def test_rows_alone_and_with_lists(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('\ufeffid,text\na,"one, two"\nb,"three\nfour"\n', encoding="utf-8")
    rows = read_rows(path)
    assert [(line["id"], line["prompt"]) for line in made("{{ text }}", rows=rows)] == [
        ("a", "one, two"),
        ("b", "three\nfour"),
    ]
    both = made("{{ text }} {{ tone }}", rows=rows, lists={"tone": ["dry", "warm"]})
    assert [line["id"] for line in both] == ["a-dry", "a-warm", "b-dry", "b-warm"]


def test_json_rows_keep_their_values(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"who": {"name": "Ada"}, "tags": ["x", "y"]}\n\n{"who": {"name": "Bo"}, "tags": []}\n')
    lines = made("{{ who.name }}: {{ tags | join('+') }}", rows=read_rows(path))
    assert [(line["id"], line["prompt"]) for line in lines] == [("1", "Ada: x+y"), ("2", "Bo:")]


@pytest.mark.parametrize(
    ("text", "more", "told"),
    [
        (
            "{{ kin }}",
            {"lists": {"kind": ["a"]}},
            r"request 1 \(kind=a, n=1\): 'kin' is undefined. It may use kind",
        ),
        ("{{ kind", {}, r"q.md, line 1: "),
        ("x {% if %}", {}, r"q.md, line 1: "),
        ("{% if n > 1 %}x{% endif %}", {}, r"request 1 \(n=1\): nothing is left"),
        ("x", {"count": 2, "id": "same"}, r"request 2 \(n=2\): request 1 has the id 'same' already"),
        ("x", {"id": "a" * 513}, "more than 512 characters"),
        ("x", {"lists": {"a": ["1"]}, "rows": [{"a": "2"}]}, "^a: a column of the rows and a list"),
        ("x", {"count": 1_000_001}, "1,000,001 requests: at most 1,000,000"),
        ("{{ ''.__class__.__mro__ }}", {}, "unsafe"),
        ("{{ 1 / 0 }}", {}, "division by zero"),
    ],
)
def test_what_cannot_be_made_is_told(text: str, more: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        made(text, **more)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("kind=a, b ,c", ("kind", ["a", "b", "c"])),
        ("level=2-4", ("level", [2, 3, 4])),
        ("level=7-7", ("level", [7])),
        ("code=a-b", ("code", ["a-b"])),
        ("sum=1=1", ("sum", ["1=1"])),
    ],
)
def test_lists_of_the_command_line(given: str, wanted: tuple[str, list[Any]]) -> None:
    assert read_set(given) == wanted


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("kind", "write NAME=VALUE"),
        ("kind=a,,b", "an empty value"),
        ("kind=", "an empty value"),
        ("kind=a,a", "'a' stands there twice"),
        ("level=3-1", "a range goes up, like 1-3"),
        ("level=0-100000", "100,001 numbers; at most 100,000"),
        ("1x=a", "'1x' is no name"),
        ("n=1-2", "every request has its own 'n'"),
    ],
)
def test_wrong_lists_are_told(given: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_set(given)


def test_a_matrix_file(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text('topic = ["a, b", "c"]\nlevel = [1, 2]\n')
    lists = read_matrix(path)
    assert lists == {"topic": ["a, b", "c"], "level": [1, 2]}
    assert [*combinations(lists)][1] == {"topic": "a, b", "level": 2}
    (tmp_path / "m.json").write_text(json.dumps(lists))
    assert read_matrix(tmp_path / "m.json") == lists


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("m.toml", "topic = ", "cannot be read"),
        ("m.json", "[1]", "names with lists"),
        ("m.json", '{"a": []}', "a: a list with values is wanted"),
        ("m.json", '{"a": [1, 1]}', "'1' stands there twice"),
    ],
)
def test_a_wrong_matrix_is_told(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=told):
        read_matrix(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("r.csv", "a,b\n1,2\n1,2,3\n", "line 3: 3 cells, but 2 columns"),
        ("r.csv", "a,a\n1,2\n", "line 1: two columns have the heading .a."),
        ("r.csv", "a,b c\n1,2\n", "heading of column 2: 'b c' is no name"),
        ("r.csv", 'a,b\n"1,2\n', "line 2: unexpected end"),
        ("r.csv", "a,b\n", "has no rows"),
        ("r.tsv", "a\tb\n1\n", "line 2: 1 cells"),
        ("r.jsonl", '{"a": 1}\n{"a"\n', "line 2: not JSON"),
        ("r.jsonl", "[1]\n", "line 1: a JSON object is wanted, not list"),
        ("r.xlsx", "", "rows come from a .csv, .tsv or .jsonl file"),
    ],
)
def test_wrong_rows_are_told(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=told):
        read_rows(tmp_path / name)


def test_a_template_brings_its_own_settings(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"type": "object", "required": ["a"]}')
    (tmp_path / "q.md").write_text(
        '+++\nmodel = "m"\njson_schema = "s.json"\nid = "q{{ n }}"\n+++\nAsk {{ n }}\n'
    )
    prompt = read_prompt(tmp_path / "q.md")
    (line,) = make(Recipe(prompt, prompt.settings))
    assert json.loads(line) == {
        "id": "q1",
        "prompt": "Ask 1",
        "model": "m",
        "json_schema": {"type": "object", "required": ["a"]},
    }


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("+++\nmodel = 'm'\n", "have no end"),
        ("+++\nmodel = \n+++\nx", "settings at its head: "),
        ("+++\ntemprature = 1\n+++\nx", "unknown setting temprature; did you mean 'temperature'"),
        ("+++\nmax_tokens = 0\n+++\nx", "max_tokens: must be 1 or more"),
    ],
)
def test_wrong_settings_of_a_template_are_told(tmp_path: Path, head: str, told: str) -> None:
    (tmp_path / "q.md").write_text(head)
    with pytest.raises(UserError, match=told):
        read_prompt(tmp_path / "q.md")


def test_an_error_names_the_line_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "q.md").write_text("+++\nmodel = 'm'\n+++\nfine\n{{ broken\n")
    prompt = read_prompt(tmp_path / "q.md")
    with pytest.raises(UserError, match="q.md, line 5"):
        list(make(Recipe(prompt, prompt.settings)))


def test_a_schema_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"type": 3}')
    with pytest.raises(UserError, match="s.json: "):
        made("x", json_schema=str(tmp_path / "s.json"))
