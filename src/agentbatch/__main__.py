"""`python -m agentbatch` is the `agentbatch` command."""

import os
import sys

if sys.path[:1] == [os.getcwd()]:  # python -m puts it there; tasks may write into it, and modules come late
    del sys.path[0]

from agentbatch.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
