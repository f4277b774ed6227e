"""agentbatch: batches of coding tasks, each worked on by a Coder and judged on evidence by an Evaluator."""

__version__ = "1.0.0rc1"
