"""The Workspace door: where a task's work is done, and everything that can be done there.

The loop, the coder and the evaluator see a task's directory through this file alone. What passes through it in either
direction is plain data: strings, bytes, numbers, tuples, mappings and the frozen dataclasses below, all of which can
be pickled. No path that crosses the door is a promise that it can be opened on the other side: paths inside the
directory are relative and `/`-separated, all others are names to show or to compare. So a workspace can be a
directory of this machine (`local_workspaces.py`), a container, or a node of a cluster.

Diffs need no member: they are pure functions over two Snapshots (`files/diff/`), computed at home.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Literal, Protocol

TAIL_CHARACTERS = 4_000
"""Characters that `CommandResult.tail` gives at most, however long the lines are."""


@dataclass(frozen=True)
class CommandRecord:
    """One shell command that ran, as evidence for the evaluator."""

    command: str
    exit_code: int | None
    """None: killed at its timeout or for flooding."""
    tail: str
    """The last lines of its output."""
    seconds: float
    ended: float = 0.0
    """When, in seconds since the epoch; 0: that is not known, and long ago."""
    told: bool = False
    """The coder's own program tells of it: a claim, which nobody has seen. Its exit code may be None for want of a
    word."""
    again: bool = False
    """It was told of, and then run by the evaluator: what is here is what that saw."""

    @property
    def untold(self) -> bool:
        """It ended well or badly, and nobody says which."""
        return self.told and self.exit_code is None


@dataclass(frozen=True)
class FileRecord:
    """One file as a tool left it."""

    path: str
    """As the model named it."""
    digest: str
    """sha256 of its content."""
    unchanged: bool = False
    """It held exactly this already."""


@dataclass(frozen=True)
class ToolResult:
    """The answer to one tool call."""

    text: str
    """What the model reads. For an error: what is wrong and what to do next."""
    ok: bool = True
    invalid: bool = False
    """The call itself was wrong (bad JSON, unknown tool, bad arguments): nothing was done."""
    command: CommandRecord | None = None
    file: FileRecord | None = None
    """The file that was written."""
    changed: bool = False
    """A file was written (if with what it held already) or a command ran: the coder did something."""
    note: str = ""
    """One line for a person beside the call, e.g. `exit 1`."""


@dataclass(frozen=True)
class CommandResult:
    """How a command ended and what it printed."""

    exit_code: int | None
    """None: killed at its timeout or for flooding. 126: it could not be started."""
    output: str
    """Both outputs in the order of writing, without terminal control sequences, keys masked; at most 30,000
    characters: head, a line that says how much is missing and where it is, tail."""
    timed_out: bool
    flooded: bool
    """It was killed because it printed far too much."""
    seconds: float
    spilled: str
    """Where the whole output is kept when it was longer, as `read_file` takes it; else empty."""

    def tail(self, lines: int = 15) -> str:
        """The last lines of the output."""
        return "\n".join(self.output.rstrip().split("\n")[-lines:])[-TAIL_CHARACTERS:]


@dataclass(frozen=True)
class FileEntry:
    """One file in a Snapshot."""

    sha256: str
    """Of the content; of the target for a symlink; empty for what is not read."""
    size: int
    text: str | None
    """None: binary (not UTF-8), large, or not a file. A symlink's is its target."""
    executable: bool
    kind: Literal["file", "symlink", "special", "unreadable"] = "file"
    """`special`: a fifo, socket or device, never opened."""
    excerpt: str = field(default="", compare=False)
    """Of a file whose `text` is None: its beginning and its end, with replacement characters for what is no UTF-8;
    empty where it is binary, and where the snapshot has no room for it."""
    script: bool = field(default=False, compare=False)
    """It begins with `#!`, or may be executed and is no machine code."""


SIGNATURE = struct.Struct("<4Q")
"""One file's in `Snapshot.signatures`."""


@dataclass(frozen=True)
class Snapshot:
    """`files` by path relative to the directory, `/`-separated, in order. Bytes in a name that are no UTF-8 are
    surrogates, as Python has them."""

    files: Mapping[str, FileEntry]
    truncated: bool = False
    """There were more files than a snapshot holds; which ones are in is then a matter of order."""
    left_out: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Of installed packages and caches, which are no part of `files`: a digest by path, of a file, or of all files of a
    folder (`node_modules/x/`); by names, sizes and times of this one place, not by contents."""
    left_out_whole: bool = field(default=True, compare=False)
    """False: there was more of it than is looked at."""
    signatures: bytes = field(default=b"", compare=False, repr=False)
    """By which the next snapshot knows that a file is unchanged, SIGNATURE for each in the order of `files` (an entry
    may serve for many places, these are of one): size, mtime, inode, ctime. Empty: everything is read again."""

    def changed(self, paths: Iterable[str]) -> dict[str, float]:
        """When the content, mode or name of each changed last, in seconds since the epoch, by the system's clock, which
        no program can set back on a file; 0: that is not known."""
        times = dict(zip(self.files, SIGNATURE.iter_unpack(self.signatures), strict=False))
        return {path: times[path][3] / 1e9 if path in times else 0.0 for path in paths}

    @cached_property
    def digest(self) -> str:
        """Equal exactly where paths, contents and executable bits are."""
        whole = hashlib.sha256()
        for path, entry in self.files.items():
            line = f"{path}\0{entry.kind}\0{entry.executable}\0{entry.size}\0{entry.sha256}\0"
            whole.update(line.encode("utf-8", "surrogateescape"))
        return whole.hexdigest()


@dataclass(frozen=True)
class ProtectedFile:
    """One protected file as it was."""

    content: bytes
    """A symlink's is its target."""
    mode: int | None
    """Permission bits; None: it is a symlink."""


@dataclass(frozen=True)
class Protected:
    """What `protect` found, to be given to `restore`. The loop stores it with the run: a task that is resumed in a
    new process is restored from it."""

    patterns: tuple[str, ...]
    files: Mapping[str, ProtectedFile]


@dataclass(frozen=True)
class Checkpoint:
    """A state of the directory that its workspace keeps; worth nothing once that is closed."""

    name: str


@dataclass(frozen=True)
class WorkspaceInfo:
    """What a coder has to know of where it works."""

    directory: str
    """Absolute path of the task's directory, as commands in it see it. A name, not a path to open."""
    system: str
    """Operating system and processor, e.g. `Linux x86_64`."""
    sandbox: str
    """What keeps commands inside, e.g. `bubblewrap`; `none`: nothing does."""
    network: bool
    """Commands can reach the network."""
    homes: str = ""
    """Folder of the HOMEs of opened programs, as they see it: that of `Program.home` is `homes/NAME`. A name."""
    place: str = ""
    """Where that is, for a person, e.g. `node 10.0.0.4`; empty: the engine's machine."""
    notices: tuple[str, ...] = ()
    """What a person should know of its making, a sentence each."""


@dataclass(frozen=True)
class Program:
    """A program that is opened to be talked with: somebody else's coding agent."""

    argv: tuple[str, ...]
    """Run without a shell. The first is looked up on PATH, in no place that a task could have put it."""
    home: str
    """A plain name. HOME is a folder of this task and this name, kept while the task may be resumed, gone with it."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables besides the task's own."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What is written into HOME before the start, by path relative to it; for its owner alone."""
    credentials: tuple[str, ...] = ()
    """Files of the user's own HOME, relative to it, that are shown to the program at the same place of its HOME."""
    port: int = 0
    """A port of the engine's machine, on loopback, that it reaches as 127.0.0.1 also without a network; 0: none."""


class Process(Protocol):
    """A program that was opened. Only bytes and numbers pass, so that it may run elsewhere: there each member is a
    question with one answer."""

    async def write(self, data: bytes) -> None:
        """Give it input; returns when it has been taken up. Raises BrokenPipeError when it takes no more."""
        ...

    async def close_input(self) -> None:
        """It reads to the end of its input. Safe to repeat."""
        ...

    async def read(self, limit: int = 65536) -> bytes:
        """What it printed next, at most `limit` bytes; b"" when it will print no more. It waits in its print while
        nobody reads."""
        ...

    async def wait(self) -> int:
        """Its exit code, 128 + n where it died of signal n; what it had started is ended by then."""
        ...

    async def freeze(self) -> None:
        """It and everything that it started stand still until `thaw`: nothing changes while the work is looked at.
        Raises OSError where they cannot be made to."""
        ...

    async def thaw(self) -> None:
        """They go on. Safe to repeat."""
        ...

    async def stop(self) -> None:
        """End it and everything that it started. Safe to repeat."""
        ...

    @property
    def errors(self) -> str:
        """The end of what it printed as errors, without terminal control sequences, keys masked. Known without a
        request, as of the latest answer."""
        ...


class Workspace(Protocol):
    """One directory that is worked in. Members are called one after another, never two at the same time; what was
    opened is talked with meanwhile.

    Every member can be cancelled; commands and copies under way are ended then, nothing is left running. What cannot be
    done raises OSError (errno ENOSPC or EDQUOT: the disk is full, which is no fault of the task's) or UserError.
    """

    @property
    def info(self) -> WorkspaceInfo:
        """Known since the workspace was started: no request is made."""
        ...

    async def call(self, tool: str, arguments: str | Mapping[str, object]) -> ToolResult:
        """Carry out one tool call as a model wrote it: `arguments` is the JSON text, or the object that it stands
        for. What is wrong with the call, and what the system refuses, is an answer, never an error."""
        ...

    async def run(self, command: str, timeout: float) -> CommandResult:
        """Run a command line with `bash -c` in the directory, to its end or `timeout` (seconds), without input, and end
        whatever it left running. A command that cannot be started is a result, not an error."""
        ...

    async def open(self, program: Program) -> Process:
        """Start a program in the directory, inside the same walls as commands. It ends with this workspace at the
        latest. Raises UserError where it is not to be found, or asks for what it cannot have."""
        ...

    async def snapshot(self, since: Snapshot | None = None) -> Snapshot:
        """What the directory holds now. `since`: an earlier snapshot of this task, whose unchanged files need not be
        read again (a remote workspace sends signatures one way and what differs the other). Folders that are no
        part of a task's result (version control, installed packages, caches) are left out."""
        ...

    async def protect(self, patterns: Sequence[str]) -> Protected:
        """The files that `patterns` mean (globs as in `files/globs.py`, a folder means all below it), with their
        contents. Raises UserError for a pattern that is not valid and where that is too much to keep."""
        ...

    async def restore(self, protected: Protected) -> list[str]:
        """Put back what was changed, replaced or deleted of the protected files; returns the paths that had been
        tampered with. A file that was added where a pattern matches is named among them but stays."""
        ...

    async def checkpoint(self) -> Checkpoint:
        """Keep the whole directory as it is: all files, also those that a snapshot leaves out, with their modes, links
        as links. Raises UserError where there is no room."""
        ...

    async def restore_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Bring the directory back to that state; may be done more than once. Each file is replaced in one step: a kill
        in the middle leaves every file either as it was or as it is to be."""
        ...

    async def fork(self) -> "Workspace":
        """A throw-away copy of the directory as it is now, under the same sandbox rules and with the same tools.
        Nothing that is done in it reaches the directory; its files are gone once it is closed. What is hidden from
        the task's commands is not in it. It ends with this workspace at the latest."""
        ...

    async def close(self) -> tuple[str, ...]:
        """End its use: forks and checkpoints go. Returns what could not be removed, a sentence each. Safe to
        repeat."""
        ...


class NoPlace(OSError):
    """There is no machine for a task now: where one is, it can be resumed."""


@dataclass(frozen=True)
class Limits:
    """What the commands of one task may take together, as far as the machine can hold them to it; 0: no limit."""

    memory: int = 0
    """Bytes."""
    cpus: float = 0.0
    processes: int = 0


@dataclass(frozen=True)
class Image:
    """The container image that a task's commands run in: `name`, or what `dockerfile` builds."""

    name: str = ""
    """As the container engine takes it, e.g. `python:3.12`."""
    dockerfile: str = ""
    """Absolute path on the engine's machine. A name where that is elsewhere."""
    workdir: str = ""
    """Where the task's directory is inside; empty: at its own path. What the image holds there is copied into the
    directory first, where that is empty."""


@dataclass(frozen=True)
class SetupCache:
    """What a task's setup makes is kept for places like its own."""

    key: tuple[str, ...]
    """Files that it depends on, relative to the task's directory."""
    paths: tuple[str, ...]
    """What it makes, files and folders, relative to that."""


@dataclass(frozen=True)
class RecalledSetup:
    """What was kept of an earlier setup like this one."""

    found: bool = False
    """It is in the place now: there is nothing to set up."""
    notice: str = ""
    """Why nothing is kept here, a sentence."""


@dataclass(frozen=True)
class Order:
    """A task's workspace as it is asked for."""

    task_id: str
    directory: str
    """The task's own directory: absolute, every link followed. It need not exist."""
    isolation: Literal["none", "copy", "worktree"]
    """Where it works: there, in a copy, or in a git worktree on a branch of its own."""
    env: Mapping[str, str]
    """The task's own variables for its commands."""
    tools: tuple[str, ...]
    """Names of the tools that may be called."""
    command_timeout: float
    """Seconds that a command called by the coder gets when it does not say itself."""
    resume: bool = False
    """The task was at work before, in an earlier session of the run, and resumes where it was. Otherwise nothing of an
    earlier attempt is left in an isolated directory."""
    setup: tuple[str, ...] = ()
    """What `setup_cache` keeps is made by these command lines."""
    setup_cache: SetupCache | None = None
    include: tuple[str, ...] = ()
    """Patterns of files in the directory that a copy or worktree has besides what it has by itself."""
    _: KW_ONLY
    untouched: bool = False
    """No coder has worked in it in any session: nothing in an isolated directory is worth keeping."""
    repair: bool = False
    """An earlier attempt may have been killed: remove the files that it was writing and had not finished."""
    apply: bool = False
    """Changes made in a copy are brought back into the task's directory when it is completed."""
    at_work: bool = True
    """False: nobody works in it any more. It is looked at, tried in forks, and left."""
    limits: Limits = Limits()
    image: Image | None = None
    """None: no container."""


@dataclass(frozen=True)
class Ending:
    """How a task ended, as far as its directory is concerned."""

    completed: bool
    resumable: bool
    """It resumes in a later session, which finds everything as it is."""
    before: Snapshot
    """The directory when the task began."""
    after: Snapshot
    """As it was evaluated last, or seen last. Of a completed task nothing else is kept."""
    message: str
    """For the commit of a worktree's work."""
    patch: str
    """Where the loop keeps the patch of all changes; a name for notices."""
    _: KW_ONLY
    untouched: bool = False
    """No coder has worked in it: it is as its making and `setup` have left it."""
    superseded: bool = False
    """Another attempt at the same task was chosen: the patch is all that is kept of this one, where it is whole."""


@dataclass(frozen=True)
class WorkLeft:
    """What has become of a task's work."""

    branch: str = ""
    """The git branch that holds it; empty: no branch."""
    notices: tuple[str, ...] = ()
    """What a person should know, a sentence each."""
    problem: str = ""
    """Why the task must not count as completed, a sentence: its work is not any more what was judged."""
    unapplied: str = ""
    """Why its changes were not brought back into its directory where they should be; one of the notices."""


class TaskWorkspace(Protocol):
    """Where one task works, from its making to its removal. `leave` and `close` are called also when `start` has
    failed, was cancelled, or never came: what an earlier session of the run has left there is not lost by that."""

    async def start(self) -> Workspace:
        """Once: make the directory, isolated where that is asked for, or find the one of an earlier session. Raises
        UserError, OSError."""
        ...

    async def recall_setup(self) -> RecalledSetup:
        """Before the setup of a place that was just made: what was kept of an earlier one like it is put there. It may
        wait for one that is under way. What cannot be is a notice, never an error."""
        ...

    async def keep_setup(self) -> str:
        """Behind the setup, and before any coder: what it has made is kept, as it was asked for by `recall_setup`.
        Returns what a person should know, a sentence; empty: nothing."""
        ...

    async def leave(self, ending: Ending) -> WorkLeft:
        """Keep the work of an isolated task: commit it on a branch, bring it back into the task's directory, or say
        where it stays. Called before the task's end is stored; `close` follows when it is, since until then a task
        that is resumed needs its files. Safe to repeat after a crash."""
        ...

    async def close(self) -> tuple[str, ...]:
        """End its use, and that of the Workspace: as `Workspace.close`, and the files of an isolated directory go whose
        work `leave` has kept elsewhere. Returns what could not be removed, a sentence each. Safe to repeat."""
        ...


class Workspaces(Protocol):
    """The workspaces of one run."""

    def make(self, order: Order) -> TaskWorkspace:
        """That of one task; nothing is touched yet."""
        ...

    async def remove_leftovers(self, ended: Sequence[str]) -> None:
        """Before any task of a resumed run starts: remove what a killed session had no time to remove. `ended`: ids of
        tasks that are over for good."""
        ...

    async def close(self) -> None:
        """The run is over: no workspace of it is used any more."""
        ...
