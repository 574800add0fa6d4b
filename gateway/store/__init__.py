"""What replicas share: caches, and what must not be forgotten; in a Redis, or in memory where there is none."""
