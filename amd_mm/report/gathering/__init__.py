"""What is asked of the networks while they train, without leaving a trace in them."""
