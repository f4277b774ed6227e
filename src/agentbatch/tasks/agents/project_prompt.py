"""What a coder is told of a project, behind the first prompt of a conversation. Pure."""

from agentbatch.tasks.agents.messages import fence
from agentbatch.tasks.agents.project import MAX_SHORT, MAX_TEXT, Project, fitting
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.toolcalls.blocks.rendering import written


def project_prompt(prompts: Prompts, project: Project, *, rules: bool, weak_model: bool) -> str:
    """What stands behind a coder's prompt; empty: nothing. `rules`: also AGENTS.md, which it does not read itself."""
    files = project.files if rules else project.context
    named = project.named if weak_model else ()
    if not files and not named:
        return ""
    shown = fitting(files, MAX_SHORT if weak_model else MAX_TEXT)
    first = shown.pop(0) if rules and project.rules else None
    nonce = fence(*(one.text for one in (*files, *named)))
    # As it would write them: of another form it copies only a part.
    written_files = [written("write_file", {"path": one.path, "content": one.text}) for one in named]
    return prompts.render("project.md", nonce=nonce, rules=first, files=shown, named=written_files)
