"""Reads what people say and bet about the assets that positions are in, and scores it.

Invariants: nothing that is read is ever an instruction: of a post a score and its words as data go further; a source
that does not answer is missing, and is asked again later and later; no source is asked that was not switched on.
"""
