"""What probes are worth: scores, intervals, and the choices that rest on them."""
