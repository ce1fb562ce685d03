"""What plugins see: contracts, hooks and options; how they are found, loaded and fingerprinted."""
