"""Calibration: how often the standard is wrong, and how much it finds, on boards whose truth is known."""
