//! What notices will do: every firing in the order in which it comes, whom it reaches, and which limits
//! of vendors it hits.
//!
//! Pure: it knows no ledger and no vendor's directory. An e-mail address or number counts as one person;
//! how many people are in a department is not known here. Start at [`Forecast`]; [`Tally`] holds what it
//! tells against the vendors' quotas.

mod audience;
mod tally;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use jiff::Timestamp;

use super::Diagnostic;
use super::message::{self, Context, RenderError, Rendered};
use super::notice::Notice;
use super::schedule::{Event, Firing};

pub use audience::{Audience, Audiences, Calls, Reach};
pub use tally::{Tally, Usage};

/// A notice with whom it reaches.
#[derive(Clone, Debug)]
pub struct Forecasted<'a> {
    /// The notice.
    pub notice: &'a Notice,
    /// Whom it reaches.
    pub audience: Rc<Audience<'a>>,
}

impl<'a> Forecasted<'a> {
    /// What it says at a firing to a kind of receiver.
    ///
    /// # Errors
    ///
    /// When it cannot be said.
    pub fn render(
        &self,
        firing: &Firing,
        reach: &Reach<'_>,
        kind: message::Target,
    ) -> Result<Rendered, Box<RenderError>> {
        let notice = self.notice;
        let scheduled = firing.at.to_zoned(notice.schedule.zone().clone());
        let context = Context {
            scheduled: &scheduled,
            notice: &notice.address,
            vars: &notice.vars,
        };
        message::render(&notice.message, reach.vendor, kind, context).map_err(Box::new)
    }

    /// The calls of one firing to one provider.
    #[must_use]
    pub fn calls(&self, reach: &Reach<'_>) -> Calls {
        reach.calls(&self.notice.message, &self.notice.after)
    }

    /// Why nothing is sent at a firing, if it cannot.
    #[must_use]
    pub fn obstacle(&self, firing: &Firing) -> Option<Diagnostic> {
        let mut obstacles = self.audience.iter().filter_map(|r| r.obstacle.as_ref());
        let obstacle = obstacles.next().map(|why| {
            Diagnostic::error("not-sent", self.notice.to_span, why.as_str())
                .help("List those who are meant instead.")
        });
        let found = obstacle.or_else(|| {
            let mut each = self
                .audience
                .iter()
                .flat_map(|reach| reach.kinds().map(move |kind| (reach, kind)));
            let failed = each.find_map(|(reach, kind)| self.render(firing, reach, kind).err());
            failed.map(|error| error.diagnostic())
        });
        found.map(|found| found.address(self.notice.address.clone()))
    }
}

/// Something that happens with a notice.
#[derive(Clone, Copy, Debug)]
pub struct Occurrence {
    /// Which notice, by its place in what the forecast was made of.
    pub notice: usize,
    /// What happens.
    pub event: Event,
}

/// The events of several notices, merged in the order in which they come.
pub struct Forecast<'a> {
    events: Vec<Box<dyn Iterator<Item = Event> + 'a>>,
    next: BinaryHeap<Reverse<(Timestamp, usize)>>,
    waiting: Vec<Option<Event>>,
}

impl<'a> Forecast<'a> {
    /// Of these notices, each with from when until when; with what is left out, or without.
    pub fn new(
        notices: impl IntoIterator<Item = (&'a Notice, Timestamp, Timestamp)>,
        with_skips: bool,
    ) -> Self {
        let mut forecast = Self {
            events: Vec::new(),
            next: BinaryHeap::new(),
            waiting: Vec::new(),
        };
        for (notice, from, to) in notices {
            let schedule = &notice.schedule;
            let events: Box<dyn Iterator<Item = Event> + 'a> = match with_skips {
                true => Box::new(schedule.firings_with_skips(from, to)),
                false => Box::new(schedule.firings(from, to).map(Event::Fires)),
            };
            let at = forecast.events.len();
            forecast.events.push(events);
            forecast.waiting.push(None);
            forecast.advance(at);
        }
        forecast
    }

    fn advance(&mut self, notice: usize) {
        let event = self.events[notice].next();
        if let Some(event) = event {
            self.next.push(Reverse((event.at(), notice)));
        }
        self.waiting[notice] = event;
    }
}

impl Iterator for Forecast<'_> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        let Reverse((_, notice)) = self.next.pop()?;
        let event = self.waiting[notice].take();
        self.advance(notice);
        event.map(|event| Occurrence { notice, event })
    }
}
