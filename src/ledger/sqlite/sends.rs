//! What is remembered of sending: each method, and whether others share its transaction.

use jiff::Timestamp;

use super::{SqliteLedger, outbox, quota};
use crate::engine::Pending;
use crate::engine::ledger::LedgerError;
use crate::engine::outbox::{
    Admission, Admitted, Claim, Delivery, DeliveryId, Ending, Key, Occurrence, Outbox, OutboxError,
    Outcome, State,
};
use crate::engine::quota::{Claimed, Quota, Take};
use crate::model::Address;

impl Outbox for SqliteLedger {
    fn handled(&self) -> Pending<'_, Result<Vec<(Address, Timestamp)>, LedgerError>> {
        Box::pin(async { self.looking(|conn| outbox::handled(conn, &self.project)) })
    }

    fn handled_until<'a>(
        &'a self,
        notice: &'a Address,
    ) -> Pending<'a, Result<Option<Timestamp>, LedgerError>> {
        Box::pin(async move {
            let notice = notice.to_string();
            self.looking(|conn| outbox::handled_until(conn, &self.project, &notice))
        })
    }

    fn admit<'a>(
        &'a self,
        notice: &'a Address,
        until: Timestamp,
        admissions: &'a [Admission],
    ) -> Pending<'a, Result<Admitted, LedgerError>> {
        Box::pin(async move {
            let (project, notice) = (self.project.clone(), notice.clone());
            let admissions = admissions.to_vec();
            self.sharing(move |tx| outbox::admit(tx, &project, &notice, until, &admissions))
                .await
        })
    }

    fn occurrences<'a>(
        &'a self,
        notice: Option<&'a Address>,
        limit: usize,
    ) -> Pending<'a, Result<Vec<Occurrence>, LedgerError>> {
        Box::pin(async move {
            self.looking(|conn| outbox::occurrences(conn, &self.project, notice, limit))
        })
    }

    fn occurrence<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Option<Occurrence>, LedgerError>> {
        Box::pin(async move { self.looking(|conn| outbox::occurrence(conn, &self.project, key)) })
    }

    fn undecided(&self) -> Pending<'_, Result<Vec<Key>, LedgerError>> {
        Box::pin(async { self.looking(|conn| outbox::undecided(conn, &self.project)) })
    }

    fn deliveries<'a>(&'a self, key: &'a Key) -> Pending<'a, Result<Vec<Delivery>, LedgerError>> {
        Box::pin(async move { self.looking(|conn| outbox::deliveries(conn, &self.project, key)) })
    }

    fn open(&self, now: Timestamp) -> Pending<'_, Result<Vec<Delivery>, LedgerError>> {
        Box::pin(async move { self.writing(|tx, _| outbox::open(tx, &self.project, now)) })
    }

    fn claim<'a>(
        &'a self,
        seen: &'a Delivery,
        claim: &'a Claim,
        quota: &'a Quota,
        now: Timestamp,
    ) -> Pending<'a, Result<Claimed, LedgerError>> {
        Box::pin(async move {
            let (project, seen) = (self.project.clone(), seen.clone());
            let (claim, quota) = (claim.clone(), quota.clone());
            self.sharing(move |tx| quota::claim(tx, &project, &seen, &claim, &quota, now))
                .await
        })
    }

    fn take<'a>(
        &'a self,
        quota: &'a Quota,
        now: Timestamp,
    ) -> Pending<'a, Result<Option<(String, Timestamp)>, LedgerError>> {
        Box::pin(async move { self.writing(|tx, _| quota::take(tx, &quota.takes, now)) })
    }

    fn taken<'a>(
        &'a self,
        takes: &'a [Take],
        now: Timestamp,
    ) -> Pending<'a, Result<Vec<u64>, LedgerError>> {
        Box::pin(async move { self.looking(|conn| quota::taken(conn, takes, now)) })
    }

    fn give_up<'a>(
        &'a self,
        delivery: DeliveryId,
        state: State,
        reason: &'a str,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move {
            self.writing(|tx, _| outbox::give_up(tx, &self.project, delivery, state, reason))
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
            let (project, runner) = (self.project.clone(), runner.to_owned());
            let ending = ending.clone();
            let ended =
                self.sharing(move |tx| outbox::end(tx, &project, delivery, &runner, now, &ending));
            if ended.await? {
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
        Box::pin(
            async move { self.writing(|tx, _| outbox::hold(tx, &self.project, delivery, reason)) },
        )
    }

    fn conclude<'a>(
        &'a self,
        key: &'a Key,
        outcome: Outcome,
        reason: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            let (project, key) = (self.project.clone(), key.clone());
            let reason = reason.to_owned();
            self.sharing(move |tx| outbox::conclude(tx, &project, &key, outcome, &reason, now))
                .await
        })
    }

    fn cancel<'a>(
        &'a self,
        notice: &'a Address,
        reason: &'a str,
    ) -> Pending<'a, Result<usize, LedgerError>> {
        Box::pin(
            async move { self.writing(|tx, _| outbox::cancel(tx, &self.project, notice, reason)) },
        )
    }
}
