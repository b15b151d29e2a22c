"""What to run, and in which order: the way of the data, walked from the top to the bottom of a page."""
