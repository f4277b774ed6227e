"""A tool call as agents name it, in our words. Tables, by the names that the programs give their tools."""

from collections.abc import Mapping
from typing import Any

from agentbatch.tasks.coders.external.updates.update import PlanUpdate, ToolCallUpdate

_NAMES = {
    "execute": "bash shell run_shell_command execute_command local_shell terminal",
    "edit": "edit multiedit write notebookedit write_file edit_file replace apply_patch patch create_file",
    "read": "read read_file read_many_files view_file notebookread",
    "search": "grep glob find ls list list_directory grep_search glob_search search_file_content find_files",
    "fetch": "webfetch websearch web_fetch google_web_search web_search",
}
KINDS: Mapping[str, str] = {tool: kind for kind, tools in _NAMES.items() for tool in tools.split()}
"""By the lower-case name of the tool, in Claude Code, Qwen Code, Gemini CLI, OpenCode, goose and pi."""

PLANS = frozenset(("todowrite", "todo_write", "write_todos"))

PATHS = ("file_path", "filePath", "absolute_path", "path", "notebook_path")
MAX_ENTRIES = 50


def begun(id: str, tool: str, arguments: Mapping[str, Any]) -> ToolCallUpdate | PlanUpdate | None:  # noqa: A002 - the field's
    """A call that begins. None: it has no id, or is a plan without entries."""
    if tool.lower() in PLANS:
        entries = arguments.get("todos")
        return planned(entries, "content") if isinstance(entries, list) else None
    if not id:
        return None
    kind = KINDS.get(tool.lower(), "other")
    command = arguments.get("command") if kind == "execute" else None
    paths = tuple(path[:1000] for key in PATHS if isinstance(path := arguments.get(key), str) and path)
    return ToolCallUpdate(
        id=id,
        begins=True,
        title=tool[:500] or "a tool",
        kind=kind,
        status="in_progress",
        command=command if isinstance(command, str) and command.strip() else None,
        paths=paths[:1] or None,
        arguments=arguments,
    )


def planned(entries: list[Any], key: str) -> PlanUpdate | None:
    """`key`: where the text of an entry is."""
    known = [one for one in entries[:MAX_ENTRIES] if isinstance(one, dict) and isinstance(one.get(key), str)]
    found = tuple((one[key][:500], _status(one)) for one in known)
    return PlanUpdate(found) if found else None


def _status(entry: Mapping[str, Any]) -> str:
    done = entry.get("completed")
    return (
        ("completed" if done else "pending") if isinstance(done, bool) else str(entry.get("status", ""))[:40]
    )
