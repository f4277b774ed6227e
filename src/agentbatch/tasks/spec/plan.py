"""The plan: which tasks run, under which ids, where, after which others, and which never run at the same time."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from agentbatch.config import BUILTIN, Isolation, StopAt
from agentbatch.mcp.server import McpServer
from agentbatch.tasks.spec.escalation import Escalation, Stage, stage
from agentbatch.tasks.spec.task import AttemptSpec, Task
from agentbatch.text import counted, list_names
from agentbatch.workspace.workspace import Image, Limits

MAX_NAMED = 5
"""Tasks that a warning names."""


@dataclass(frozen=True)
class PlannedTask:
    """A task with everything settled that can be settled before the run."""

    id: str
    index: int
    """Place among all tasks of the file, generated ones included, from 0."""
    task: Task
    root: Path
    """The working directory, resolved."""
    max_iterations: int
    timeout: float | None
    """Seconds of wall clock; None: no limit."""
    depends_on: tuple[str, ...] = ()
    """Ids of tasks of this plan that have to be completed first."""
    isolation: Isolation = "none"
    max_cost: float | None = None
    """US dollars; None: no limit of its own."""
    max_tokens: int | None = None
    """Input and output; None: no limit of its own."""
    source: Path | None = None
    """The user's directory, where `root` is one made of it: a copy, a worktree."""
    coder: str = BUILTIN
    """Who works on it in its first iteration."""
    escalate: tuple[Escalation, ...] = ()
    """What its coder is in later iterations."""
    attempts: tuple[AttemptSpec, ...] = ()
    """Of a task that is tried more than once; else empty."""
    stop_at: StopAt = "first"
    attempt: AttemptSpec | None = None
    """What is special in this attempt at another task of the plan, which is `attempt_of`."""
    attempt_of: str = ""
    after: tuple[str, ...] = ()
    """Ids of the attempts at this task: it is their choice, and starts when they are over, however they ended."""
    behind: tuple[str, ...] = ()
    """Ids of tasks whose turn in its directory comes first: it starts when they are over, however they ended."""
    compared: bool = False
    """Its attempts are other models', to be compared: none is chosen, and nothing of them is brought back."""
    image: Image | None = None
    """The container image of its commands; None: no container."""
    servers: Mapping[str, McpServer] = field(default_factory=dict)
    """Servers of tools that its coder has, by name."""
    bring_back: bool = False
    """It works in a copy since it has attempts, not because that was asked for: what was chosen of it belongs into
    its directory."""

    @property
    def shown_dir(self) -> str:
        return self.task.dir or "."

    @property
    def limits(self) -> Limits:
        return Limits(self.task.memory, self.task.cpus, self.task.processes)

    @property
    def need(self) -> tuple[object, ...]:
        """Of a machine: tasks of one need are served by the same ones."""
        return self.task.cpus, self.task.memory, *sorted(self.task.resources.items())

    @property
    def changes_directory(self) -> bool:
        """It works in its directory itself, or what is chosen of its attempts is brought there."""
        return self.isolation == "none" or self.bring_back

    def stage(self, default: str, iteration: int) -> Stage:
        """What its coder is in this iteration, counted from 1; `default`: the run's model."""
        return stage(self.escalate, Stage(self.task.coder_model or default, None, self.coder), iteration)

    def strongest(self, default: str) -> str:
        """The model of its last iteration, if it gets there."""
        return self.stage(default, self.max_iterations).model

    def stages(self, default: str) -> tuple[Stage, ...]:
        """All that its coder may be, in their order. What it has no iterations for is left out."""
        reached = [1, *[step.after + 1 for step in self.escalate if step.after < self.max_iterations]]
        return tuple([self.stage(default, iteration) for iteration in reached])

    def coder_models(self, default: str, coder: str = "") -> tuple[str, ...]:
        """Every model that may be asked as its coder, each once, in their order; of this `coder`, if one is named."""
        stages = [stage for stage in self.stages(default) if coder in ("", stage.coder)]
        return tuple(dict.fromkeys([stage.model for stage in stages]))

    @cached_property
    def coders(self) -> tuple[str, ...]:
        """All that may work on it, each once, in their order."""
        return tuple(dict.fromkeys([stage.coder for stage in self.stages("")]))

    def next_coder(self, coder: str) -> str:
        """Who ends the task where it gets that far and `coder` has not done it; empty: nobody else takes over for
        good."""
        last = self.stage("", self.max_iterations).coder
        return "" if last in (coder, self.coder) else last

    @property
    def definition(self) -> str:
        """sha256 of what makes the task's result: a task with another one is another task, to be run afresh."""
        task = self.task
        parts: dict[str, Any] = {
            "root": str(self.root),
            "first_prompt": task.first_prompt,
            "verify": task.verify,
            "env": task.env,
            "protected_paths": task.protected_paths,
            "coder_model": task.coder_model,
            "evaluator_model": task.evaluator_model,
            "isolation": self.isolation,
        }
        if task.context:
            parts["context"] = task.context
        if task.coder:
            parts["coder"] = task.coder
        if task.setup:
            parts["setup"] = task.setup  # not how that is kept: it makes the same
        if task.mcp:
            parts["mcp"] = {name: server.model_dump() for name, server in task.mcp.items()}
        if task.include:
            parts["include"] = task.include
        if task.hidden_verify:
            parts["hidden_verify"] = task.hidden_verify
        if self.image is not None:
            parts["image"] = [self.image.name, self.image.dockerfile, self.image.workdir]
        if self.attempts or self.attempt:
            parts["attempts"] = _special(self.attempt) if self.attempt else True
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _special(attempt: AttemptSpec) -> dict[str, Any]:
    """In the words of versions that knew no coder but ours."""
    new = {"escalate"} if attempt.coder else {"escalate", "coder"}
    return attempt.model_dump(exclude=new)


@dataclass(frozen=True)
class Plan:
    tasks: tuple[PlannedTask, ...]
    shared: tuple[tuple[str, ...], ...]
    """Groups of task ids whose directories are equal or nested: they run one after another."""
    left_out: frozenset[str] = field(default_factory=frozenset)
    """Ids of the file's tasks that the mode or a flag left out."""
    assumed: tuple[str, ...] = ()
    """Those of them that chosen tasks depend on: they count as done."""

    def warnings(self) -> list[str]:
        """One sentence a group of tasks that share a directory, and one for dependencies that were left out."""
        by_id = {task.id: task for task in self.tasks}
        lines = []
        for group in self.shared:
            root = min((by_id[i] for i in group), key=lambda t: len(t.root.parts)).shown_dir
            lines.append(
                f"{len(group)} tasks share the directory {root} or lie in it; those that overlap run one after "
                f"another: {list_names(group, MAX_NAMED)}."
            )
        lone = [task.id for task in self.tasks if task.task.include and task.isolation == "none"]
        if lone:
            lines.append(
                "include is for copies and worktrees, and these work in their directories themselves: "
                f"{list_names(lone, MAX_NAMED)}."
            )
        if self.assumed:
            count = counted(len(self.assumed), "task")
            lines.append(
                f"{count} that others depend on {'is' if len(self.assumed) == 1 else 'are'} left out and "
                f"taken for done: {list_names(self.assumed, MAX_NAMED)}."
            )
        return lines
