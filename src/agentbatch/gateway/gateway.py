"""The gateway of a run: where agents that we did not write reach the user's model.

They are given its address and a token instead of an endpoint and a key; what they call is passed on and counted here,
whatever they say of it themselves.
"""

from typing import TYPE_CHECKING

from agentbatch.gateway.account import Account, Accounts

if TYPE_CHECKING:
    from agentbatch.gateway.server import Server


class Gateway:
    """One a run. It listens from the first `start` on; what never starts it costs nothing."""

    def __init__(self) -> None:
        self._accounts = Accounts()
        self._server: Server | None = None

    async def start(self) -> None:
        """Listen on loopback. Safe to repeat."""
        if self._server is None:
            from agentbatch.gateway.server import Server  # brings aiohttp

            self._server = Server(self._accounts)
            await self._server.start()

    async def close(self) -> None:
        """Calls under way are cut off. Safe to repeat."""
        server, self._server = self._server, None
        if server is not None:
            await server.close()

    @property
    def port(self) -> int:
        """Raises RuntimeError before it has started."""
        if self._server is None:
            raise RuntimeError("the gateway has not started")
        return self._server.port

    @property
    def url(self) -> str:
        """Agents' base URL where they speak Anthropic's API; with /v1 behind it where they speak OpenAI's."""
        return f"http://127.0.0.1:{self.port}"

    def open(self, account: Account) -> str:
        """Let a task's coder in: its token, which it uses as its API key."""
        return self._accounts.open(account)

    def close_account(self, token: str) -> None:
        """The token is dead from now on; its calls under way are cancelled, and billed as far as they got."""
        account = self._accounts.close(token)
        for call in list(account.calls) if account is not None else ():
            call.cancel()
