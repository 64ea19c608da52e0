"""Looks at every position again and again, asks an advisor, and acts as far as the guardrails let it.

Invariants: only positions of partitions that are held now are looked at; whatever an advisor says passes the guardrails
before anything is done; a model that does not answer well is answered for by the rules, and the evaluation says so;
what was acted on is written down at once.
"""
