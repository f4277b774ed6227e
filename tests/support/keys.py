"""The key of every test that needs one: it opens nothing, and must appear nowhere."""

KEY = "sk-test-0123456789abcdef"
