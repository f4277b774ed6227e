"""How many tokens a request of Anthropic's API would have: asked at the endpoint where that can say it. No call."""

from collections.abc import Mapping
from typing import Any

from agentbatch.files import json_object
from agentbatch.gateway.account import Account
from agentbatch.gateway.apis.api import count
from agentbatch.gateway.apis.messages import MessagesApi
from agentbatch.gateway.call import asked_here, estimate_input, passed_on
from agentbatch.model.http.errors import TransportError
from agentbatch.model.request.request import encode_body

PATH = "/messages/count_tokens"


async def count_tokens(account: Account, body: Mapping[str, Any], headers: Mapping[str, str]) -> int:
    """It takes its turn at the endpoint's limits as any request; estimated where there is no answer."""
    endpoint, api = account.endpoint, MessagesApi()
    content = encode_body({**asked_here(body), "model": account.named(body.get("model"))})
    told = None
    if endpoint.quota.used_up is None:
        async with endpoint.limits.slot(0) as slot:
            try:
                answer = await endpoint.post(
                    PATH, content, headers=passed_on(api.headers, headers), key_form=api.key_form
                )
                told = json_object(answer.body) if answer.status == 200 else None
            except TransportError:
                told = None
            slot.settle(0)
    return (count(told.get("input_tokens")) if told is not None else None) or estimate_input(content, body)
