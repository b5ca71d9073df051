"""The atomic step, on real servers and in memory."""
