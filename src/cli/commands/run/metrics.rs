//! What a runner counts, in the words of Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::engine::outbox::{Outcome, State};
use crate::model::Name;

/// Label names with their values, always in the same order.
type Labels = Vec<(&'static str, String)>;

type Counts = Family<Labels, Counter>;
type Seconds = Family<Labels, Histogram, fn() -> Histogram>;
type Instant = Gauge<f64, AtomicU64>;

/// Upper bounds of lateness in seconds: from a runner that wakes in time to a CI job hours later.
const LATE: [f64; 10] = [
    1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0,
];

/// Upper bounds of a call in seconds.
const CALL: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

fn late() -> Histogram {
    Histogram::new(LATE)
}

fn call() -> Histogram {
    Histogram::new(CALL)
}

/// The numbers of one runner since it began.
pub(super) struct Metrics {
    registry: Registry,
    occurrences: Counts,
    deliveries: Counts,
    lateness: Histogram,
    next_due: Instant,
    next_try: Instant,
    last_round: Instant,
    calls: Counts,
    call_seconds: Seconds,
    claims_lost: Counts,
    ledger_errors: Counter,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("beadle"),
            occurrences: Counts::default(),
            deliveries: Counts::default(),
            lateness: late(),
            next_due: Instant::default(),
            next_try: Instant::default(),
            last_round: Instant::default(),
            calls: Counts::default(),
            call_seconds: Seconds::new_with_constructor(call),
            claims_lost: Counts::default(),
            ledger_errors: Counter::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "occurrences",
            "Occurrences that this runner gave their outcome",
            metrics.occurrences.clone(),
        );
        registry.register(
            "deliveries",
            "Attempts at deliveries, by where the delivery was after it",
            metrics.deliveries.clone(),
        );
        registry.register_with_unit(
            "lateness",
            "How much later than an occurrence fires it was sent in full",
            Unit::Seconds,
            metrics.lateness.clone(),
        );
        registry.register(
            "next_due_timestamp_seconds",
            "When the next occurrence fires or is left out, at the earliest; 0 when none does",
            metrics.next_due.clone(),
        );
        registry.register(
            "next_try_timestamp_seconds",
            "When what was not sent, or may not have been, is tried again, at the earliest; 0 when nothing is",
            metrics.next_try.clone(),
        );
        registry.register(
            "last_round_timestamp_seconds",
            "When the last round ended that the ledger let succeed; 0 before the first",
            metrics.last_round.clone(),
        );
        registry.register(
            "calls",
            "Calls of vendors, repeats within one not counted",
            metrics.calls.clone(),
        );
        registry.register_with_unit(
            "call_duration",
            "How long calls of vendors took, with their wait under rate limits and their repeats",
            Unit::Seconds,
            metrics.call_seconds.clone(),
        );
        registry.register(
            "claims_lost",
            "Deliveries that another runner had first or took over",
            metrics.claims_lost.clone(),
        );
        registry.register(
            "ledger_errors",
            "Times that the ledger could not be read or written",
            metrics.ledger_errors.clone(),
        );
        // A series that is there from the beginning can be told from one that never was.
        for outcome in Outcome::ALL {
            let labels = vec![("outcome", outcome.as_str().to_owned())];
            drop(metrics.occurrences.get_or_create(&labels));
        }
        metrics
    }

    pub(super) fn ended(&self, outcome: Outcome, count: u64) {
        let labels = vec![("outcome", outcome.as_str().to_owned())];
        self.occurrences.get_or_create(&labels).inc_by(count);
    }

    pub(super) fn late(&self, seconds: f64) {
        self.lateness.observe(seconds.max(0.0));
    }

    pub(super) fn attempted(&self, provider: &Name, state: State) {
        let labels = vec![
            ("provider", provider.to_string()),
            ("state", state.as_str().to_owned()),
        ];
        self.deliveries.get_or_create(&labels).inc();
    }

    pub(super) fn lost(&self, provider: &Name) {
        let labels = vec![("provider", provider.to_string())];
        self.claims_lost.get_or_create(&labels).inc();
    }

    pub(super) fn called(&self, provider: &Name, operation: &str, outcome: &str, took: Duration) {
        let mut labels = vec![
            ("provider", provider.to_string()),
            ("operation", operation.to_owned()),
        ];
        self.call_seconds
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        labels.push(("outcome", outcome.to_owned()));
        self.calls.get_or_create(&labels).inc();
    }

    pub(super) fn ledger_failed(&self) {
        self.ledger_errors.inc();
    }

    pub(super) fn round_ended(&self, now: Timestamp) {
        self.last_round.set(now.as_duration().as_secs_f64());
    }

    pub(super) fn next_try(&self, at: Option<Timestamp>) {
        self.next_try
            .set(at.map_or(0.0, |at| at.as_duration().as_secs_f64()));
    }

    pub(super) fn next_due(&self, at: Option<Timestamp>) {
        let seconds = at.map_or(0.0, |at| at.as_duration().as_secs_f64());
        self.next_due.set(seconds);
    }

    /// Everything, in the text format of OpenMetrics.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing into memory never fails");
        text
    }
}
