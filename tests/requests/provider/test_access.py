"""The batch service goes the same way as plain calls: the same key, headers and renewal."""

from pathlib import Path

import pytest
from aiohttp import web

from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.access import Access
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.requests.provider.service import ProviderService, ServiceError


class Files:
    """A batch service that takes one key."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.seen: list[tuple[str, str]] = []
        self.used_up = False

    async def upload(self, request: web.Request) -> web.Response:
        await request.read()
        header = request.headers.get("authorization", "")
        self.seen.append((header, request.headers.get("x-team", "")))
        if self.used_up:
            return web.json_response(
                {"error": {"message": "Later"}}, status=429, headers={"Retry-After": "7200"}
            )
        if header != self.key:
            return web.json_response({"error": {"message": "expired", "code": "invalid_api_key"}}, status=401)
        return web.json_response({"id": "file-1", "object": "file"})


@pytest.mark.parametrize(
    ("access", "key", "seen"),
    [
        (Access({"x-team": "ours"}), "Bearer sk-one", [("Bearer sk-one", "ours")]),
        (Access({"api-key": "k", "x-team": "ours"}), "", [("", "ours")]),
        (Access({"Authorization": "Token t"}), "Token t", [("Token t", "")]),
    ],
)
async def test_its_headers_are_those_of_plain_calls(
    tmp_path: Path, access: Access, key: str, seen: list[tuple[str, str]]
) -> None:
    assert await upload(tmp_path, Files(key), access) == seen


async def test_a_key_that_has_expired_is_printed_anew(tmp_path: Path) -> None:
    async def renew() -> str:
        return "sk-two"

    files = Files("Bearer sk-two")
    assert await upload(tmp_path, files, Access(renew=renew)) == [
        ("Bearer sk-one", ""),
        ("Bearer sk-two", ""),
    ]
    with pytest.raises(ServiceError, match="answered 401"):
        await upload(tmp_path, Files("Bearer never"), Access(renew=renew))


async def test_a_quota_that_is_used_up_says_until_when_and_is_no_loss(tmp_path: Path) -> None:
    files = Files("Bearer sk-one")
    files.used_up = True
    with pytest.raises(
        ServiceError, match=r"answered 429: Later\. The quota is back at .* resume it then"
    ) as raised:
        await upload(tmp_path, files, Access())
    assert raised.value.passes
    assert len(files.seen) == 1


async def upload(folder: Path, files: Files, access: Access) -> list[tuple[str, str]]:
    """What the service was sent while a file went up."""
    file = folder / "batch.jsonl"
    file.write_text("{}\n")
    app = web.Application()
    app.router.add_post("/v1/files", files.upload)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = Endpoint(
        f"http://127.0.0.1:{runner.addresses[0][1]}/v1",
        "sk-one",
        limits=EndpointLimits(),
        retry=RetryPolicy(max_retries=0),
        redact=str,
        access=access,
    )
    try:
        async with endpoint, ProviderService(endpoint) as service:
            assert await service.upload(file) == "file-1"
    finally:
        await runner.cleanup()
    return files.seen
