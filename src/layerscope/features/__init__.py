"""What one pass of an encoder leaves: states of all layers."""
