//! Dying at what is remembered of following.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Mortal;
use crate::engine::Pending;
use crate::engine::ledger::LedgerError;
use crate::engine::outbox::{DeliveryId, Key, NewDelivery};
use crate::engine::receipts::{Asked, FollowEnd, Following, People, Reading, Receipts, Terms};
use crate::model::Address;

impl<T: Receipts + ?Sized> Receipts for Mortal<T> {
    fn follow<'a>(
        &'a self,
        notice: &'a Address,
        terms: &'a Terms,
        now: Timestamp,
    ) -> Pending<'a, Result<usize, LedgerError>> {
        Box::pin(self.risk("follow", self.inner.follow(notice, terms, now)))
    }

    fn followed(&self) -> Pending<'_, Result<Vec<Following>, LedgerError>> {
        self.inner.followed()
    }

    fn following<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Option<Following>, LedgerError>> {
        self.inner.following(key)
    }

    fn asked<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<BTreeMap<DeliveryId, Asked>, LedgerError>> {
        self.inner.asked(key)
    }

    fn ask(
        &self,
        delivery: DeliveryId,
        seen: u32,
        now: Timestamp,
    ) -> Pending<'_, Result<bool, LedgerError>> {
        Box::pin(self.risk("ask", self.inner.ask(delivery, seen, now)))
    }

    fn note<'a>(
        &'a self,
        delivery: DeliveryId,
        reading: &'a Reading,
        people: Option<&'a People>,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(self.risk("note", self.inner.note(delivery, reading, people)))
    }

    fn readings<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Vec<(DeliveryId, Reading)>, LedgerError>> {
        self.inner.readings(key)
    }

    fn people<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<BTreeMap<DeliveryId, People>, LedgerError>> {
        self.inner.people(key)
    }

    fn end_following<'a>(
        &'a self,
        key: &'a Key,
        end: &'a FollowEnd,
        report: &'a [NewDelivery],
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(self.risk("end_following", self.inner.end_following(key, end, report)))
    }

    fn image<'a>(
        &'a self,
        app: &'a str,
        digest: &'a str,
    ) -> Pending<'a, Result<Option<String>, LedgerError>> {
        self.inner.image(app, digest)
    }

    fn remember_image<'a>(
        &'a self,
        app: &'a str,
        digest: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<String, LedgerError>> {
        let remember = self.inner.remember_image(app, digest, key, now);
        Box::pin(self.risk("remember_image", remember))
    }
}
