"""`python -m agentbatch` is the `agentbatch` command."""

from agentbatch.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
