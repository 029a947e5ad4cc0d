"""Real guests, and hosts of their own to run them on; each module has one class. See docs/testing.md."""
