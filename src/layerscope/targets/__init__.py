"""What is to be read off the states, one file a kind of target."""
