"""Test helpers shared by several suites; not tests."""
