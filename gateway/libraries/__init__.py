"""Libraries of others as the gateway imports them: without what they bring along for other uses of theirs."""
