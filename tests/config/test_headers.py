import pytest

from agentbatch.config.headers import has_key, merged, read_header, secret_values, split_headers


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("api-key=abc", ["api-key=abc"]),
        ("a=1,b=2", ["a=1", "b=2"]),
        ("a=1, b: 2\nc=3\n", ["a=1", "b: 2", "c=3"]),
        ("accept=text/html,application/json", ["accept=text/html,application/json"]),
        ("x=a,b,y=c", ["x=a,b", "y=c"]),
        ("", []),
        (" \n", []),
    ],
)
def test_the_headers_of_a_variable(text: str, headers: list[str]) -> None:
    assert split_headers(text) == headers


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("api-key=abc", ("api-key", "abc")),
        ("Authorization: Bearer abc=", ("Authorization", "Bearer abc=")),
        (" x-a = b=c ", ("x-a", "b=c")),
    ],
)
def test_a_header(text: str, header: tuple[str, str]) -> None:
    assert read_header(text) == header


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("secretvalue", "a header is NAME=VALUE"),
        ("=secretvalue", "a header is NAME=VALUE"),
        ("a b=secretvalue", "a header is NAME=VALUE"),
        ("käse=secretvalue", "a header is NAME=VALUE"),
        ("x-a=", "x-a has no value"),
        ("x-a=secret\r\nx-b: value", "one line of plain ASCII"),
        ("x-a=secretv\u00e4lue", "one line of plain ASCII"),
        ("x-a=" + "s" * 9_000, "one line of plain ASCII"),
        ("Host=secretvalue", "made by the connection itself"),
        ("content-length=secretvalue", "made by the connection itself"),
        ("Transfer-Encoding=secretvalue", "made by the connection itself"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        read_header(text)
    assert "secret" not in str(refused.value)


def test_the_roles_header_wins_in_whatever_letters() -> None:
    both = merged([[("X-Team", "a"), ("x-b", "1")], [("x-team", "c")]])
    assert both == (("x-team", "c"), ("x-b", "1"))


@pytest.mark.parametrize(
    ("headers", "secrets", "key"),
    [
        ([("api-key", "abcdefgh")], ["abcdefgh"], True),
        ([("Authorization", "Bearer abcdefgh")], ["Bearer abcdefgh", "abcdefgh"], True),
        ([("X-Api-Key", "k1234567"), ("x-gateway", "g1234567")], ["k1234567", "g1234567"], True),
        ([("HTTP-Referer", "https://example.com"), ("X-Title", "batch")], [], False),
        ([("OpenAI-Organization", "org-123"), ("x-unknown", "u1234567")], ["u1234567"], False),
    ],
)
def test_all_values_are_secrets_but_the_known_ones(
    headers: list[tuple[str, str]], secrets: list[str], key: bool
) -> None:
    assert secret_values(headers) == secrets
    assert has_key(headers) is key
