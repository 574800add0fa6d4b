"""What a condition of a route is told of a request, and what may be made of its result."""
