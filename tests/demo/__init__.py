"""The shop's day: its script, its sabotages, and the whole play on real servers."""
