"""Units and the layers that make and read them; exact removal of those that take no part."""
