"""Why there is no connection, in words; and once, which setting has the address."""

import errno
import socket
import ssl

import pytest

from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.unreached import broke_off, no_connection
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.reply import ModelError
from agentbatch.requests.provider.service import ProviderService, ServiceError


def of_certificate(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] {message} (_ssl.c:1006)")
    error.verify_code, error.verify_message = code, message
    return error


def of_tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] as OpenSSL says it (_ssl.c:1006)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 9)"),
            "nothing answers at host:9 (connection refused)",
        ),
        (
            OSError(errno.ECONNREFUSED, "Multiple exceptions: [Errno 111] …, [Errno 111] …"),
            "nothing answers at host:9 (connection refused)",
        ),
        (TimeoutError(), "nothing answers at host:9 (no connection in time)"),
        (
            TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
            "nothing answers at host:9 (no connection in time)",
        ),
        (
            OSError(errno.ENETUNREACH, "Network is unreachable"),
            "there is no way from here to host:9 (network is unreachable)",
        ),
        (
            OSError(errno.EHOSTUNREACH, "No route to host"),
            "there is no way from here to host:9 (no route to host)",
        ),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "no address is known for host:9 (name or service not known): it is misspelt, or this machine is offline",
        ),
        (
            socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
            "no address can be looked up for host:9 (temporary failure in name resolution): this machine may be "
            "offline",
        ),
        (
            of_certificate(18, "self-signed certificate"),
            "the certificate at host:9 is not trusted (self-signed certificate): --ca-bundle FILE names who is",
        ),
        (
            of_certificate(10, "certificate has expired"),
            "the certificate at host:9 is not valid today (certificate has expired)",
        ),
        (
            of_certificate(62, "Hostname mismatch, certificate is not valid for 'host'."),
            "the certificate at host:9 is another host's (Hostname mismatch, certificate is not valid for 'host')",
        ),
        (
            of_tls("WRONG_VERSION_NUMBER"),
            "what answers at host:9 does not speak https: its address may have to begin with http://",
        ),
        (
            of_tls("TLSV1_ALERT_PROTOCOL_VERSION"),
            "no TLS connection to host:9 (tlsv1 alert protocol version)",
        ),
        (
            ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
            "no connection to host:9 (connection reset by peer)",
        ),
    ],
)
def test_no_connection_in_words(cause: Exception, words: str) -> None:
    assert no_connection(cause, "host:9") == words


def test_what_broke_off_has_neither_number_nor_password() -> None:
    assert broke_off(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")) == (
        "connection reset by peer"
    )
    assert broke_off(ValueError("http://me:secret@gate is odd")) == "http://gate is odd"
    assert broke_off(ValueError()) == "ValueError"


async def test_the_setting_is_named_once() -> None:
    told: list[str] = []
    endpoint = Endpoint(
        "http://me:secret@127.0.0.1:9/v1",
        "",
        limits=EndpointLimits(),
        retry=RetryPolicy(max_retries=1, delay=0.0),
        redact=str,
        on_learned=told.append,
        named_by="OPENAI_BASE_URL in .env sets it",
    )
    async with endpoint:
        for _ in range(2):
            with pytest.raises(ModelError) as failed:
                await ModelClient(endpoint, "m").complete([{"role": "user", "content": "Hi"}])
            assert (failed.value.kind, str(failed.value)) == (
                "transient",
                "Nothing answers at 127.0.0.1:9 (connection refused) (after 2 attempts).",
            )
    (sentence,) = told
    assert "secret" not in sentence
    assert sentence.endswith("127.0.0.1:9/v1 cannot be reached; OPENAI_BASE_URL in .env sets it.")


async def test_the_providers_batch_service_cannot_be_reached_either() -> None:
    told: list[str] = []
    endpoint = Endpoint(
        "http://127.0.0.1:9/v1",
        "",
        limits=EndpointLimits(),
        retry=RetryPolicy(max_retries=0),
        redact=str,
        on_learned=told.append,
        named_by="--coder-endpoint sets it",
    )
    async with ProviderService(endpoint) as service:
        with pytest.raises(
            ServiceError, match=r"cannot be reached: nothing answers at 127\.0\.0\.1:9 \(conn"
        ):
            await service.retrieve("batch_1")
    assert told == ["The endpoint http://127.0.0.1:9/v1 cannot be reached; --coder-endpoint sets it."]
