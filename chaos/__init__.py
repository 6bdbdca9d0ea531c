"""Rendered services under overload, faults and kills: what they promise, measured with the mechanism and without it."""
