"""Servers that misbehave as told: they stand in for the outside world, and remember what they took."""
