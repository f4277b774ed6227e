from dataclasses import replace

import pytest

from agentbatch.dashboard.access import FOREIGN_HOST, FOREIGN_ORIGIN, NO_COOKIE, Access, RequestHeaders


@pytest.fixture
def access() -> Access:
    return Access({"Box.example"})


@pytest.fixture
def welcome(access: Access) -> RequestHeaders:
    """A page of ours that asks for its WebSocket."""
    return RequestHeaders(
        method="GET",
        hosts=["127.0.0.1:3008"],
        origins=["http://127.0.0.1:3008"],
        cookie=access.cookie,
        upgrade=True,
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:3008",
        "LOCALHOST:8000",
        "localhost",
        "[::1]:3008",
        "box.example:3008",
        "192.0.2.7:3008",
    ],
)
def test_our_names_at_any_port(access: Access, welcome: RequestHeaders, host: str) -> None:
    headers = replace(welcome, hosts=[host], origins=[f"http://{host}"], arrived_at="192.0.2.7")
    assert access.refusal(headers) is None


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["evil.example"],
        ["127.0.0.1.evil.example:3008"],
        ["evil.example@127.0.0.1"],
        ["localhost.:3008"],
        ["192.0.2.8:3008"],
        ["127.0.0.1:3008", "evil.example"],
        ["127.0.0.1:3008", "127.0.0.1:3008"],
        ["127.0.0.1:port"],
        ["127.0.0.1\x00"],
        ["[::1"],
    ],
)
def test_foreign_and_broken_names(access: Access, welcome: RequestHeaders, hosts: list[str]) -> None:
    origins = [f"http://{host}" for host in hosts]
    headers = replace(welcome, hosts=hosts, origins=origins, arrived_at="192.0.2.7")
    assert access.refusal(headers) == access.foreign_host(headers) == FOREIGN_HOST


@pytest.mark.parametrize("cookie", [None, "", "x", "é", "\udcff", "0" * 43])
def test_no_cookie_of_ours(access: Access, welcome: RequestHeaders, cookie: str | None) -> None:
    assert access.refusal(replace(welcome, cookie=cookie)) == NO_COOKIE
    assert access.refusal(replace(welcome, cookie=access.token)) == NO_COOKIE, "the token is not the cookie"
    assert Access().refusal(welcome) == NO_COOKIE, "another dashboard's"


@pytest.mark.parametrize(
    "origins",
    [
        [],
        [""],
        ["null"],
        ["http://evil.example"],
        ["http://127.0.0.1:3009"],
        ["http://127.0.0.1"],
        ["http://localhost:3008"],
        ["https://127.0.0.1:3008"],
        ["http://127.0.0.1:3008.evil.example"],
        ["http://127.0.0.1:3008", "http://evil.example"],
    ],
)
def test_foreign_origins(access: Access, welcome: RequestHeaders, origins: list[str]) -> None:
    assert access.refusal(replace(welcome, origins=origins)) == FOREIGN_ORIGIN
    for method in ("POST", "HEAD", "OPTIONS", "DELETE"):
        headers = replace(welcome, origins=origins, method=method, upgrade=False)
        assert access.refusal(headers) == FOREIGN_ORIGIN
    assert access.refusal(replace(welcome, origins=origins, upgrade=False)) is None, (
        "a page is got from anywhere"
    )


def test_tokens() -> None:
    access = Access()
    once = access.one_time_token()
    assert [access.token_is_valid(token) for token in (access.token, access.token, once, once)] == [
        True,
        True,
        True,
        False,
    ]
    for wrong in ("", access.token[:-1], access.token + "x", access.cookie, Access().token, "é", "\udcff"):
        assert not access.token_is_valid(wrong)
    assert len(access.token) >= 32
    assert len(access.cookie) >= 32
    assert Access().cookie_name != access.cookie_name
