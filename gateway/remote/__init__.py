"""What the gateway asks others: key sets, over the network or from a file."""
