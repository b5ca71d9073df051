"""A shop's day in about a minute, played on real servers and judged by the auditor."""
