"""The chosen layer and its probe at work: sound in, answers out."""
