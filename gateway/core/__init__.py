"""Everything that judges: pure functions of facts, configuration and a given moment."""
