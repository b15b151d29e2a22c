"""What each layer of a music model hears, measured once and told straight."""
