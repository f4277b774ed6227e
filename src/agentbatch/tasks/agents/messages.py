"""Messages to and from a role's model: a reply as part of the history, what it says, fences round foreign text."""

import json
import re
from string import ascii_lowercase

from agentbatch.files import json_object
from agentbatch.model.reply import Message, Reply, ToolCall
from agentbatch.patterns import regex
from agentbatch.text import random_letters

MAX_NAME = 64
_UNNAMEABLE = regex(r"[^A-Za-z0-9_-]")
"""What a function's name may not have at OpenAI: one that a model made up would have the history refused from then on
(PrefectHQ/ControlFlow #107)."""


def assistant_message(reply: Reply, calls: tuple[ToolCall, ...]) -> Message:
    """The reply as a message of the history, with what it carries. Arguments that are no JSON object are wrapped into
    one."""
    # Some endpoints refuse an empty assistant message, others an empty text beside calls (vercel/ai #13523).
    content = reply.content if reply.content.strip() else None if calls else "(empty reply)"
    message: Message = {"role": "assistant", "content": content, **reply.carried}
    if reply.reasoning and not {"reasoning_content", "reasoning"} & set(message):
        message["reasoning_content"] = reply.reasoning
    if calls:
        message["tool_calls"] = [_call(call) for call in calls]
    return message


def _call(call: ToolCall) -> Message:
    valid = json_object(call.arguments) is not None
    broken = {"invalid_json": call.arguments[:2000]}
    function = {
        **call.carried.get("function", {}),
        "name": _UNNAMEABLE.sub("_", call.name)[:MAX_NAME],
        "arguments": call.arguments if valid else json.dumps(broken, ensure_ascii=False),
    }
    return {**call.carried, "id": call.id, "type": "function", "function": function}


def tool_message(call_id: str, text: str) -> Message:
    # Anthropic and Bedrock refuse an empty text (anthropics/claude-code #23440).
    return {"role": "tool", "tool_call_id": call_id, "content": text if text.strip() else "(nothing)"}


def without_thoughts(content: str) -> str:
    """The reply without the thinking in front of it; some servers swallow the opening tag."""
    text = content.strip()
    opened = re.match(r"<(think|thinking)>", text)
    if opened:
        end = text.find(f"</{opened[1]}>")
        return text[end + len(opened[0]) + 1 :] if end >= 0 else text
    if not text.startswith(("{", "`")):
        closing = list(re.finditer(r"</think(?:ing)?>", text))
        return text[closing[-1].end() :] if closing and "{" in text[closing[-1].end() :] else text
    return text


def fence(*texts: str) -> str:
    """Six letters that occur in none of the texts, so that none can close a fence made of them: fewer tokens than as
    many hexadecimal digits."""
    while True:
        letters = random_letters(ascii_lowercase, 6)
        if not any(letters in text for text in texts):
            return letters
