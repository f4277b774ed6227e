import re
import socket
from pathlib import Path

import pytest

from agentbatch.dashboard.access import Access
from agentbatch.dashboard.address import Listener, announcement, listen
from agentbatch.dashboard.served_app import describe_exit
from agentbatch.errors import UserError


def test_a_taken_port_names_a_free_one() -> None:
    with listen("127.0.0.1", 0).socket as first:
        taken = first.getsockname()[1]
        with pytest.raises(UserError) as error:
            listen("127.0.0.1", taken)
        said = re.fullmatch(
            rf"Port {taken} of 127\.0\.0\.1 is in use, maybe by another dashboard\. Port (\d+) is free: "
            r"agentbatch dashboard --port \1\.",
            str(error.value),
        )
        assert said is not None, str(error.value)
        with listen("127.0.0.1", int(said[1])).socket as second:
            assert second.getsockname()[1] == int(said[1]) != taken


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("no.such.host.invalid", "--host: 'no.such.host.invalid' is not a name"),
        ("192.0.2.1", "--host: cannot listen on 192.0.2.1: "),
        ("a" * 300, "is not a name"),
        ("\x1b[31m", "is not a name"),
    ],
)
def test_invalid_hosts(host: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        listen(host, 0)
    assert said in str(error.value)
    assert "The default is 127.0.0.1." in str(error.value)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize(
    ("host", "url", "only_here"),
    [
        ("127.0.0.1", "http://127.0.0.1:{}/?token=T", True),
        ("localhost", "http://localhost:{}/?token=T", True),
        ("0.0.0.0", f"http://{socket.gethostname()}:{{}}/?token=T", False),
    ],
)
def test_how_a_place_is_reached(host: str, url: str, only_here: bool) -> None:
    listener = listen(host, 0)
    with listener.socket:
        assert listener.url("T") == url.format(listener.port)
        assert listener.is_loopback is only_here
        assert (socket.gethostname() in listener.names) is not only_here


def test_a_new_kind_of_address() -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    listener = listen("::1", 0)
    with listener.socket:
        assert listener.url("T") == f"http://[::1]:{listener.port}/?token=T"
        assert listener.is_loopback


def printed(listener: Listener, *, control: bool) -> str:
    with listener.socket:
        lines = announcement("20260101-000000-abcd", listener, Access().token, control=control)
    for line in lines:
        assert len(line) <= 80 or "http" in line, line
    return "\n".join(lines)


def test_what_is_printed() -> None:
    here = printed(listen("127.0.0.1", 0), control=False)
    assert "Warning" not in here
    assert "Read-only" in here
    assert "Ctrl-C stops" in here
    assert "anyone with this address can control" in printed(listen("127.0.0.1", 0), control=True)
    everywhere = printed(listen("0.0.0.0", 0), control=True)
    assert "Warning: --host 0.0.0.0 lets other machines in." in everywhere
    assert "and control it." in " ".join(everywhere.split())


@pytest.mark.parametrize(
    ("code", "said", "sentence"),
    [
        (0, "", "The view was closed."),
        (0, "a warning", "The view was closed."),
        (2, "agentbatch: no run.\n\n", "The view ended with exit code 2: agentbatch: no run."),
        (1, "Traceback\n  \x1b[31mKeyError\x07", "The view ended with exit code 1: KeyError"),
        (-9, "", "The view was killed by signal 9."),
        (None, "", "The view no longer responds."),
    ],
)
def test_how_views_end(code: int | None, said: str, sentence: str) -> None:
    assert describe_exit(code, said) == sentence
