"""The APIs by their paths."""

from collections.abc import Mapping

from agentbatch.rehearsal.apis.api import Api
from agentbatch.rehearsal.apis.chat import CHAT
from agentbatch.rehearsal.apis.messages import MESSAGES
from agentbatch.rehearsal.apis.responses import RESPONSES

COUNT_TOKENS = "/v1/messages/count_tokens"
APIS: Mapping[str, Api] = {
    "/v1/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
    COUNT_TOKENS: MESSAGES,
}


def api_at(path: str) -> Api:
    """Whose errors a client of this path understands."""
    return APIS.get(path, CHAT)
