"""The parts of a verification, each by itself; the whole is tried under ``tests/integration``."""
