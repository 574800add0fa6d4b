"""What the API is told."""
