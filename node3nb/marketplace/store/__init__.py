"""What the marketplace keeps: one function for every question and every change.

Each takes the connection of the transaction it runs in, and the time where it matters.
"""
