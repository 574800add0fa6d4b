"""What `bearer-gateway demo` runs beside the gateway; the tests use the same."""
