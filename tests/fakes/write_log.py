"""The gateway's log of writes, in memory."""

from services.gateway.audit import AuditEntry, AuditPage, AuditQuery, page_of
from services.gateway.domain.idempotency import CLAIM_LIFETIME, Answer, Attempt, KeyRecord, Proceed, Replay, judge
from tests.fakes.gateway_clients import Failing


class FakeWriteLog(Failing):
    """The audit log and the idempotency keys, in memory; passes the same contract suite as the real one."""

    def __init__(self) -> None:
        self.attempts: dict[str, Attempt] = {}
        self.outcomes: dict[str, tuple[int, str | None]] = {}
        self._keys: dict[tuple[str, str], tuple[KeyRecord, str]] = {}

    async def begin(self, attempt: Attempt) -> Proceed | Replay:
        self._fail()
        verdict: Proceed | Replay = Proceed(attempt.request_id)
        if attempt.key:
            known = self._keys.get((attempt.user_id, attempt.key))
            verdict = judge(known[0] if known else None, attempt)
            if isinstance(verdict, Proceed):
                created_at = known[0].created_at if known and not verdict.fresh else attempt.at
                record = KeyRecord(
                    attempt.fingerprint, verdict.request_id, created_at, attempt.at + CLAIM_LIFETIME, None
                )
                self._keys[attempt.user_id, attempt.key] = (record, attempt.attempt_id)
        if isinstance(verdict, Proceed):
            self.attempts[attempt.attempt_id] = attempt
        return verdict

    async def list_audit(self, query: AuditQuery) -> AuditPage:
        self._fail()
        rows = [
            _entry(attempt, self.outcomes.get(attempt.attempt_id))
            for attempt in self.attempts.values()
            if (query.user_id in (None, attempt.user_id) and query.action in (None, attempt.action))
            and (query.since is None or attempt.at >= query.since)
            and (query.until is None or attempt.at < query.until)
            and (query.before is None or (attempt.at, attempt.attempt_id) < query.before)
        ]
        rows.sort(key=lambda row: (row.at, row.attempt_id), reverse=True)
        return page_of(rows[: query.limit + 1], query.limit)

    async def finish(self, attempt: Attempt, answer: Answer, code: str | None) -> None:
        self._fail()
        self.outcomes[attempt.attempt_id] = (answer.status, code)
        known = self._keys.get((attempt.user_id, attempt.key)) if attempt.key else None
        if known is not None and attempt.key and known[1] == attempt.attempt_id:
            record = known[0]
            settled = KeyRecord(
                record.fingerprint, record.request_id, record.created_at, attempt.at, answer if answer.final else None
            )
            self._keys[attempt.user_id, attempt.key] = (settled, attempt.attempt_id)


def _entry(attempt: Attempt, outcome: tuple[int, str | None] | None) -> AuditEntry:
    status, code = outcome or (None, None)
    return AuditEntry(
        attempt.attempt_id,
        attempt.at,
        attempt.user_id,
        attempt.role,
        attempt.action,
        attempt.target,
        attempt.details,
        attempt.request_id,
        status,
        code,
    )
