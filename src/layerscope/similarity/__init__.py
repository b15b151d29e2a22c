"""How alike layers are, to one another and to the sound."""
