"""Speed and memory, side by side with the usual ways, in one run on one machine."""
