"""What `agentbatch --help` prints, and what `--help-all` says besides the options."""

from agentbatch.cli.commands import GROUPS

USAGE = """\
agentbatch [--serial | --parallel [N] | --test] [OPTION ...] [PATH ...]
       agentbatch COMMAND [OPTION ...]"""

HELP = f"""\
usage: {USAGE}

Run batches of coding tasks unattended. For every task in task.json, a coder
works in the task's own directory; an evaluator judges the result and accepts it
or says what is missing.

  agentbatch               open the terminal app: choose, start, watch, steer
  agentbatch --parallel 3  run the tasks, three at a time (--serial: one by one)
  agentbatch --test        run the first three tasks only
  agentbatch --dry-run     show the plan and its minimum cost, and run nothing
  agentbatch src/api       run only the tasks in this folder
  agentbatch init          put task.json and .env here
  agentbatch doctor        check keys, endpoints, models, sandbox and disk
  agentbatch status        show how a run is doing (logs, watch: follow it)
  agentbatch stop          stop a run (pause, cancel, retry, say, set: steer it)
  agentbatch resume        resume an interrupted run
  agentbatch results       browse, export and compare results
  agentbatch show TASK     show one task and why; --diff: what it changed
  agentbatch requests run  send a file of plain requests to a model

agentbatch --help-all: all commands, all options; agentbatch help COMMAND: one.
Keys: CODER_API_KEY and EVALUATION_API_KEY, or OPENAI_API_KEY for both.
"""

EPILOG = """\
Every setting can also come from the environment or from .env, under the name in
parentheses; flags win over the environment, which wins over .env. Keys have no
flag: set CODER_API_KEY and EVALUATION_API_KEY, or OPENAI_API_KEY for both.

exit codes: 0 all tasks completed; 1 some did not; 2 usage or configuration;
130 interrupted. `agentbatch help COMMAND` shows the options of a command.
"""


def all_commands() -> str:
    """Every command with what it is for, by group."""
    lines = []
    for title, commands in GROUPS.items():
        lines.append(f"commands for {title}:")
        lines += [f"  {name:<12}  {one.summary}" for name, one in commands.items() if one.summary]
        lines.append("")
    return "\n".join(lines)
