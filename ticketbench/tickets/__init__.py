"""Tickets as files: drawn, saved, inspected, compared, exported."""
