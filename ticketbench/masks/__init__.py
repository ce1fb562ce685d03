"""Masks: exact densities, scopes, and the tickets that carry them."""
