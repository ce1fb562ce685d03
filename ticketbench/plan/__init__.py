"""From a suite to cells and fleets, and what they will cost."""
