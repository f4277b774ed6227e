"""Messages to and from a role's model: a reply as part of the history, what it says, fences round foreign text."""

import json
import re
import secrets
from string import ascii_lowercase

from agentbatch.files import json_object
from agentbatch.model.reply import Message, Reply, ToolCall


def assistant_message(reply: Reply, calls: tuple[ToolCall, ...]) -> Message:
    """The reply as a message of the history. Arguments that are no JSON object are wrapped into one."""
    # Some endpoints refuse a history with an empty assistant message.
    content = reply.content if calls or reply.content.strip() else "(empty reply)"
    message: Message = {"role": "assistant", "content": content}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.arguments
                    if json_object(call.arguments) is not None
                    else json.dumps({"invalid_json": call.arguments[:2000]}, ensure_ascii=False),
                },
            }
            for call in calls
        ]
    return message


def tool_message(call_id: str, text: str) -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


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
        letters = "".join(secrets.choice(ascii_lowercase) for _ in range(6))
        if not any(letters in text for text in texts):
            return letters
