"""Every event read and written: its models, its encodings, and what is refused."""
