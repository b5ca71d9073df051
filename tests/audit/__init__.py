"""The auditor finds what is wrong, names it, and is content with what is right."""
