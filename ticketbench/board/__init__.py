"""Leaderboards: submissions, what is compared, and the pages."""
