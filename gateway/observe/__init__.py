"""Hears of each request and each key fetch: metrics, access log, program log. Decides nothing."""
