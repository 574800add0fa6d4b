"""What a token says, and whether it is an access token for this API."""
