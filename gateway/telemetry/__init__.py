"""Subscribers of events.py: counters for Prometheus, lines for the log. Nothing below depends on them."""
