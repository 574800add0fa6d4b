"""What the gate would say of one token and one request, and why: for the command and for the console."""
