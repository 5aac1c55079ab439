//! Tells those who hear of it that an occurrence was missed, refused, sent in part or held.
//!
//! # Guarantees
//!
//! - They are told once an occurrence, by messages that are written down and sent like any other; what
//!   becomes of these is no reason to tell anybody.
//! - An occurrence that was sent by hand alarms nobody: whoever sent it saw what came of it.

use super::agenda::Roster;
use super::ledger::LedgerError;
use super::runner::{Context, Round};

/// Writes down what is to be told; says whether there is anything.
pub(super) async fn tell(
    context: &Context<'_>,
    roster: &Roster,
    done: &mut Round,
) -> Result<bool, LedgerError> {
    let mut any = false;
    for occurrence in context.outbox.untold().await? {
        let notice = roster
            .get(&occurrence.key.notice)
            .filter(|_| occurrence.sent_by.is_none());
        let words = notice.map_or(Ok(Vec::new()), |notice| notice.problem(&occurrence));
        let deliveries = words.unwrap_or_else(|why| {
            done.unheard.push((occurrence.key.clone(), why));
            Vec::new()
        });
        any |= context.outbox.tell(&occurrence.key, &deliveries).await? && !deliveries.is_empty();
    }
    Ok(any)
}
