"""Measures Lifeboat beside other programs; `scripts/bench` is its command."""
