"""What the signs beside numbers of tokens mean, in words. Pure."""

from agentbatch.text import counted
from agentbatch.usage import Usage


def usage_remarks(usage: Usage) -> list[str]:
    """One a sign that these figures have, without a full stop."""
    told = []
    if usage.estimated and usage.total:
        told.append(
            "≈ some figures are estimates: calls were cut short, the endpoint reported none, or an agent told them"
        )
    if usage.untold:
        told.append(f"the tokens of {counted(usage.untold, 'call')} were not told, and are in no figure")
    return told
