"""Keeps the books in step with the venues, without ever guessing.

Owns: the schedule of accounts, runs, discrepancies and pending absences (schema `reconciler`). It owns no position.
Publishes: reconciliation_finished, discrepancy_found, reconciliation_suspicious.
Consumes: positions.v1.account_changed; account_stirred, which is not kept.
Calls: positions (ObservationService). It never speaks to an exchange: it asks positions to observe.
"""
