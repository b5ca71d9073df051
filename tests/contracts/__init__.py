"""Every event read and written."""
