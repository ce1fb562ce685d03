"""What reports, boards and the terminal share: names, numbers, charts' looks, and the charts' code for pages."""
