"""What the gateway itself signs: assertions, and the keys for them."""
