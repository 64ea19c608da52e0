"""Tells users what they asked to be told of, and posts it to their webhooks.

Invariants: what is told is one transaction: the record of it, where the alert stands now, the event in the outbox and
the delivery to a webhook; a threshold is told of only under the lease of its partition (of the position's account, or
of the user for a price alone), checked in that transaction; the same cause never tells the same alert twice; a
threshold that was crossed while nobody watched is found by the candles of its mark price since its partition was
watched last, and by the price now; one to liquidation by the price now alone.
"""
