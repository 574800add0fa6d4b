"""What another configuration would change in a gateway that runs: pure, before anything is built."""
