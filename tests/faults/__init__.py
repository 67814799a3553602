"""Crashes, races and broken dependencies: `python -m tests.faults`; a short form of it runs with the tests."""
