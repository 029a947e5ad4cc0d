"""Real servers that tests start and stop themselves; each module has one class. See docs/testing.md."""
