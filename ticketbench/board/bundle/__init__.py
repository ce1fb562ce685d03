"""Submissions as bundles: made, and read strictly."""
