"""Scores and token ids."""
