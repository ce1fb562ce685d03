"""Suite files: the matrix, its recipes, and what the paper says."""
