//! What is remembered of sending: each method, and what it reads or writes.

use jiff::Timestamp;

use super::connect::Patience;
use super::transaction::{Tries, looking, writing};
use super::{PostgresLedger, outbox, quota};
use crate::engine::Pending;
use crate::engine::ledger::LedgerError;
use crate::engine::outbox::{
    Admission, Admitted, Claim, Delivery, DeliveryId, Ending, Key, Occurrence, Outbox, OutboxError,
    Outcome, State,
};
use crate::engine::quota::{Claimed, Quota, Take};
use crate::model::Address;

impl Outbox for PostgresLedger {
    fn handled(&self) -> Pending<'_, Result<Vec<(Address, Timestamp)>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| outbox::handled(&conn, &self.project)) })
    }

    fn handled_until<'a>(
        &'a self,
        notice: &'a Address,
    ) -> Pending<'a, Result<Option<Timestamp>, LedgerError>> {
        Box::pin(async move {
            looking!(self, |conn| outbox::handled_until(
                &conn,
                &self.project,
                notice
            ))
        })
    }

    fn admit<'a>(
        &'a self,
        notice: &'a Address,
        until: Timestamp,
        admissions: &'a [Admission],
    ) -> Pending<'a, Result<Admitted, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| outbox::admit(
                &tx,
                &self.project,
                notice,
                until,
                admissions
            ))
        })
    }

    fn occurrences<'a>(
        &'a self,
        notice: Option<&'a Address>,
        limit: usize,
    ) -> Pending<'a, Result<Vec<Occurrence>, LedgerError>> {
        Box::pin(async move {
            looking!(self, |conn| outbox::occurrences(
                &conn,
                &self.project,
                notice,
                limit
            ))
        })
    }

    fn occurrence<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Option<Occurrence>, LedgerError>> {
        Box::pin(
            async move { looking!(self, |conn| outbox::occurrence(&conn, &self.project, key)) },
        )
    }

    fn undecided(&self) -> Pending<'_, Result<Vec<Key>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| outbox::undecided(&conn, &self.project)) })
    }

    fn deliveries<'a>(&'a self, key: &'a Key) -> Pending<'a, Result<Vec<Delivery>, LedgerError>> {
        Box::pin(
            async move { looking!(self, |conn| outbox::deliveries(&conn, &self.project, key)) },
        )
    }

    fn open(&self, now: Timestamp) -> Pending<'_, Result<Vec<Delivery>, LedgerError>> {
        Box::pin(async move { writing!(self, |tx| outbox::open(&tx, &self.project, now)) })
    }

    fn claim<'a>(
        &'a self,
        seen: &'a Delivery,
        claim: &'a Claim,
        quota: &'a Quota,
        now: Timestamp,
    ) -> Pending<'a, Result<Claimed, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| quota::claim(
                &tx,
                &self.project,
                seen,
                claim,
                quota,
                now
            ))
        })
    }

    fn take<'a>(
        &'a self,
        quota: &'a Quota,
        now: Timestamp,
    ) -> Pending<'a, Result<Option<(String, Timestamp)>, LedgerError>> {
        Box::pin(async move { writing!(self, |tx| quota::take(&tx, &quota.takes, now)) })
    }

    fn taken<'a>(
        &'a self,
        takes: &'a [Take],
        now: Timestamp,
    ) -> Pending<'a, Result<Vec<u64>, LedgerError>> {
        Box::pin(async move { looking!(self, |conn| quota::taken(&conn, takes, now)) })
    }

    fn give_up<'a>(
        &'a self,
        delivery: DeliveryId,
        state: State,
        reason: &'a str,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| outbox::give_up(
                &tx,
                &self.project,
                delivery,
                state,
                reason
            ))
        })
    }

    fn end<'a>(
        &'a self,
        delivery: DeliveryId,
        runner: &'a str,
        now: Timestamp,
        ending: &'a Ending,
    ) -> Pending<'a, Result<(), OutboxError>> {
        Box::pin(async move {
            let ended = writing!(self, |tx| outbox::end(
                &tx,
                &self.project,
                delivery,
                runner,
                now,
                ending
            ))?;
            if ended {
                Ok(())
            } else {
                Err(OutboxError::Lost)
            }
        })
    }

    fn hold<'a>(
        &'a self,
        delivery: DeliveryId,
        reason: &'a str,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| outbox::hold(
                &tx,
                &self.project,
                delivery,
                reason
            ))
        })
    }

    fn conclude<'a>(
        &'a self,
        key: &'a Key,
        outcome: Outcome,
        reason: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| outbox::conclude(
                &tx,
                &self.project,
                key,
                outcome,
                reason,
                now
            ))
        })
    }

    fn cancel<'a>(
        &'a self,
        notice: &'a Address,
        reason: &'a str,
    ) -> Pending<'a, Result<usize, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| outbox::cancel(
                &tx,
                &self.project,
                notice,
                reason
            ))
        })
    }
}
