"""How each model calls tools: what the user says, what is remembered, what a probe finds, in this order."""

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from agentbatch.config import ApiChoice, ToolModeChoice
from agentbatch.model.capabilities import ToolMode
from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.reply import ModelError, ToolSpec
from agentbatch.toolcalls.probe import Probe, probe_tools
from agentbatch.toolcalls.remembered import ToolModeMemory


class ToolModes(NamedTuple):
    """Settles the tool modes of a run's models and keeps what was found out."""

    choice: ToolModeChoice
    memory: ToolModeMemory
    say: Callable[[str], None]
    """Takes one sentence for the user."""

    async def settle(
        self, endpoint: Endpoint, models: Iterable[str], tools: Sequence[ToolSpec], api: ApiChoice = "auto"
    ) -> None:
        """Set the mode of every model. Only endpoints on private addresses are probed: elsewhere calls cost money,
        and refusals and format failures show soon enough what a model can do."""
        probing = is_private(endpoint.base_url) and any(s["function"]["name"] == "write_file" for s in tools)
        for model in dict.fromkeys(models):
            if self.choice != "auto":
                endpoint.use_tool_mode(model, self.choice, fixed=True)
            elif known := self.memory.get(endpoint.identity, model):
                endpoint.use_tool_mode(model, known.mode)
                if known.mode != "native":
                    self.say(
                        f"{model} calls tools in {known.mode} mode, as on {known.at:%Y-%m-%d}: {known.why}."
                    )
            elif probing:
                await self._probe(endpoint, model, tools, api)

    def changed(self, endpoint: Endpoint, model: str, mode: ToolMode, why: str) -> None:
        """A mode that turned out during the run."""
        self.memory.put(endpoint.identity, model, mode, why)
        self.say(f"{model} continues in {mode} mode: {why}.")

    async def _probe(self, endpoint: Endpoint, model: str, tools: Sequence[ToolSpec], api: ApiChoice) -> None:
        self.say(f"Finding out how {model} calls tools (once; --tool-mode says it beforehand).")
        try:
            client = ModelClient(endpoint, model, max_output_tokens=PROBE_TOKENS, api=api)
            probe = await probe_tools(client, tools)
        except ModelError as error:
            self.say(f"That could not be found out: {error}")
            return
        keep(self.memory, endpoint, model, probe)
        self.say(f"{model} calls tools in {probe.mode} mode: {probe.summary}; {probe.usage.total:,} tokens.")


PROBE_TOKENS = 600
"""Output tokens that an answer to the probe may have: a file of two lines, and some thought before it."""


def keep(memory: ToolModeMemory, endpoint: Endpoint, model: str, probe: Probe) -> None:
    memory.put(endpoint.identity, model, probe.mode, f"probe: {probe.summary}")


def is_private(base_url: str) -> bool:
    """An address of this machine or of a private network, where calls cost nothing."""
    host = urlsplit(base_url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A name without a dot is one of this machine or of its network: localhost, a container.
        return (bool(host) and "." not in host) or host.endswith(
            (".localhost", ".local", ".lan", ".internal")
        )
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_private
