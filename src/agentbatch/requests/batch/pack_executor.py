"""Several requests in one call: what is missing or invalid is asked again, and a pack that fails is halved."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from agentbatch.model.request.request import encode_body
from agentbatch.requests.batch.call import Attempt
from agentbatch.requests.batch.executor import Charge, Item, RequestExecutor, expected_usage, joined
from agentbatch.requests.batch.packing import pack_body, read_pack, shares, text_of_item
from agentbatch.requests.spec.request import CHAT
from agentbatch.requests.spec.result import BatchResult
from agentbatch.requests.spec.structured import schema_of
from agentbatch.usage import COUNTS, Usage

FOR_ALL = ("endpoint", "model", "rate")
"""Failures that smaller packs would meet too."""


@dataclass(frozen=True)
class PackedExecutor:
    """Sends packs. What a call took is charged to its items by the share of their texts; the call itself, with its
    attempts, counts for the first of them."""

    executor: RequestExecutor
    charge: Charge
    """Gets each item's part of each call."""

    async def execute(
        self,
        pack: Sequence[Item],
        attempt_of: Callable[[Sequence[Item]], Attempt],
        stopped: Callable[[], bool],
    ) -> AsyncGenerator[tuple[Item, BatchResult], None]:
        """Each item with its result, as soon as it is there. `attempt_of`: what surrounds each sending of these items.
        Items without a result when `stopped` were not answered."""
        bills: dict[int, BatchResult] = {}
        left = [list(pack)]
        while left and not stopped():
            items = left.pop(0)
            if len(items) == 1:
                result = await self.executor.execute(items[0], attempt_of(items), stopped, self.charge)
                yield items[0], _billed(bills.get(items[0].n), result)
                continue
            missing = []
            for item, part, answer in await self._together(items, attempt_of(items), stopped):
                part = _billed(bills.get(item.n), part)
                if answer is not None:
                    yield item, _answered(item, part, answer)
                elif part.error is not None and (part.error.kind in FOR_ALL or stopped()):
                    yield item, part
                else:
                    bills[item.n] = part
                    missing.append(item)
            left[:0] = [missing] if 0 < len(missing) < len(items) else halves(missing)

    async def _together(
        self, items: Sequence[Item], attempt: Attempt, stopped: Callable[[], bool]
    ) -> list[tuple[Item, BatchResult, str | None]]:
        """One call: each item with its part of the bill, and its answer, if there is one. All parts are charged: the
        call is paid."""
        body = pack_body([item.request for item in items])
        content, model = encode_body(body), str(body.get("model", ""))
        outcome = await self.executor.caller.call(
            CHAT,
            body,
            content,
            expected_usage(body, len(content)).total,
            model=model,
            attempt=attempt,
            stopped=stopped,
        )
        request = items[0].request.model_copy(update={"body": body})
        whole = self.executor.result(items[0], request, outcome, model)
        names = [item.request.id for item in items]
        answers = read_pack(whole.text, names, schema_of(items[0].request.body)) if whole.ok else {}
        parts = self._parts(items, whole, answers, model)
        for item, part in zip(items, parts, strict=True):
            self.charge(item, part.usage, part.cost)
        return [(item, part, answers.get(item.request.id)) for item, part in zip(items, parts, strict=True)]

    def _parts(
        self, items: Sequence[Item], whole: BatchResult, answers: Mapping[str, str], model: str
    ) -> list[BatchResult]:
        """Each item's part of the call: of the tokens, of the cost."""
        given = [len(text_of_item(item.request)) for item in items]
        written = [len(answers.get(item.request.id, "")) for item in items]
        usages = _usages(whole.usage, given, written if any(written) else given)
        prices = [self.executor.cost(model, usage.model_copy(update={"calls": 1})) or 0.0 for usage in usages]
        total = sum(prices)
        parts = []
        for place, (item, usage, price) in enumerate(zip(items, usages, prices, strict=True)):
            cost = whole.cost if not whole.cost else whole.cost * (price / total if total else 1 / len(items))
            part = replace(whole, id=item.request.id, index=item.index, usage=usage, cost=cost)
            parts.append(part if place == 0 else replace(part, attempts=0, refused=0))
        return parts


def halves(items: list[Item]) -> list[list[Item]]:
    """The two halves of a pack; nothing for none."""
    middle = (len(items) + 1) // 2
    return [half for half in (items[:middle], items[middle:]) if half]


def _usages(whole: Usage, given: Sequence[int], written: Sequence[int]) -> list[Usage]:
    of_output = ("output", "reasoning", "audio_output")
    parts = {
        name: shares(getattr(whole, name), written if name in of_output else given)
        for name in COUNTS
        if name != "calls"
    }
    return [
        Usage(
            **{name: counts[place] for name, counts in parts.items()},
            calls=whole.calls if place == 0 else 0,
            estimated=whole.estimated,
        )
        for place in range(len(given))
    ]


def _billed(before: BatchResult | None, now: BatchResult) -> BatchResult:
    """`now`, with what the item was charged before."""
    return now if before is None else joined(before, now)


def _answered(item: Item, part: BatchResult, answer: str) -> BatchResult:
    """An item's result as if it had been answered alone."""
    usage = part.usage
    body = {
        **{name: value for name, value in (part.body or {}).items() if name not in ("choices", "usage")},
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
        ],
        "usage": {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.total,
        },
    }
    data = json.loads(answer) if schema_of(item.request.body) is not None else None
    return replace(part, body=body, data=data)
