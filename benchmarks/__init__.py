"""Measurements of the product on this machine; each prints a table and a last line of JSON."""
