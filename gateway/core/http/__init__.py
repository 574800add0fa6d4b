"""What HTTP says: facts of a request, names, grammar, challenges."""
