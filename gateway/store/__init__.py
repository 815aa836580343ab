"""Shared state: counters, values and tables that several workers, or several hosts, must agree on."""
