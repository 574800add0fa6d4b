"""What a configuration file may not say, and what it should not."""
