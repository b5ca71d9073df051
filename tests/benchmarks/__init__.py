"""What the benchmark says and sends; what it measures, `make bench` does."""
