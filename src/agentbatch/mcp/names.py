"""What a server's tools are called before a model: a name that every endpoint takes and none of ours has. Pure."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping

PREFIX = "mcp__"
"""No tool of ours begins so."""
MAX_LENGTH = 64
"""Characters: OpenAI's limit and that of most others (microsoft/vscode #243602, mastra-ai/mastra #6302)."""
DIGITS = 6


def model_names(server: str, tools: Iterable[str]) -> Mapping[str, str]:
    """Names of a server's tools, by what the server calls them: `mcp__SERVER__TOOL`, of ASCII letters, digits and `_`
    alone (github/copilot-cli #1879). What would be too long, without a letter, or as another one of them, ends in
    digits made of the server's own name for it: so it does not change when other tools come and go."""
    known = dict.fromkeys(tools)
    owners: dict[str, list[str]] = {}
    for tool in known:
        owners.setdefault(_plain(server, tool), []).append(tool)
    found: dict[str, str] = {}
    for name, several in owners.items():
        for tool in several:
            if _is_telling(name, tool) and (len(several) == 1 or tool == _letters(tool)):
                found[tool] = name
    taken = set(found.values())
    for tool in known:
        if tool not in found:
            found[tool] = _numbered(_plain(server, tool), tool, taken)
            taken.add(found[tool])
    return {tool: found[tool] for tool in known}


def _is_telling(name: str, tool: str) -> bool:
    return len(name) <= MAX_LENGTH and any(letter.isascii() and letter.isalnum() for letter in tool)


def _plain(server: str, tool: str) -> str:
    return f"{PREFIX}{_letters(server)}__{_letters(tool)}"


def _letters(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


def _numbered(name: str, tool: str, taken: Collection[str]) -> str:
    content = tool.encode("utf-8", "surrogatepass")
    while True:
        content = hashlib.sha256(content).digest()
        new = f"{name[: MAX_LENGTH - DIGITS - 1]}_{content.hex()[:DIGITS]}"
        if new not in taken:
            return new
