"""Documents that people write, JSON, YAML, tables: what they hold, and in which line it stands. All of it bounded."""
