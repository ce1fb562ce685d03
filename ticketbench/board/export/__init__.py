"""Tables of a board for papers and spreadsheets: what stands in them, and how each format writes it."""
