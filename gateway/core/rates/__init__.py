"""How often somebody may: rates by who a token says is calling, by address and by route. Counts nothing by itself."""
