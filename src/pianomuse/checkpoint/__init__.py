"""Weights and their configuration on disk."""
