"""The keys of issuers: where they are, and how long each is believed."""
