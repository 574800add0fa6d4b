"""What was revoked, and whom that is about: entries, and a list of them that identities are looked up in."""
