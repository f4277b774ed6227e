"""Tasks of benchmarks as tasks of ours: a task file, directories, and the hidden tests as `hidden_verify`."""
