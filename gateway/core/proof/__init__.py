"""Whether a token is its bearer's to use."""
