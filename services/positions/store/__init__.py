"""The tables of the schema `positions`, and repositories that give back domain objects.

Every function takes the caller's connection, so that writes that belong together are one transaction.
"""
