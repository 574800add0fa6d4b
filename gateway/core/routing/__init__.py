"""Where a request goes, and what it takes to go there."""
