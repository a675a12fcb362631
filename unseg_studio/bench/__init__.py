"""Benchmarks that anyone can run: what the design promises, measured on this machine."""
