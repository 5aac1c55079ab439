//! Firing what is due, against a ledger in memory and a vendor that does as it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use beadle::engine::channel::{Channel, Letter, Parcel, Receipt, Repeat, Sent, To};
use beadle::engine::outbox::{Books, Claim, NewDelivery, Outbox, Outcome, State};
use beadle::engine::right::Stop;
use beadle::engine::runner::{Channels, Context, Firing, Notice, Round, round};
use beadle::engine::{Answer, ApiError, Pending};
use beadle::ledger;
use beadle::model::group::Recipient;
use beadle::model::{Address, AppId, Name};
use jiff::{SignedDuration, Timestamp, ToSpan};

/// What the vendor does with the next parcel.
#[derive(Clone, Copy)]
enum Does {
    Takes,
    Refuses,
    LosesTheReply,
    IsAway,
}

struct Vendor {
    app: AppId,
    script: Mutex<VecDeque<Does>>,
    arrived: Mutex<Vec<String>>,
}

impl Vendor {
    fn new(script: &[Does]) -> Arc<Self> {
        Arc::new(Self {
            app: AppId::new("cli_a"),
            script: Mutex::new(script.iter().copied().collect()),
            arrived: Mutex::new(Vec::new()),
        })
    }

    fn arrived(&self) -> Vec<String> {
        self.arrived.lock().unwrap().clone()
    }
}

fn answer(message: &str) -> Answer {
    Answer {
        operation: "send".into(),
        message: message.into(),
        ..Answer::default()
    }
}

impl Channel for Vendor {
    fn app(&self) -> &AppId {
        &self.app
    }

    fn pack(&self, _: &Letter, _: &[To], _: &str) -> Result<Vec<Parcel>, String> {
        Err("nothing is packed here".into())
    }

    fn repeats(&self, _: &Parcel) -> Repeat {
        Repeat::Never
    }

    fn send<'a>(&'a self, parcel: &'a Parcel) -> Pending<'a, Result<Sent, ApiError>> {
        let does = self
            .script
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Does::Takes);
        if let Does::Takes | Does::LosesTheReply = does {
            self.arrived.lock().unwrap().push(parcel.body.clone());
        }
        Box::pin(async move {
            match does {
                Does::Takes => Ok(Sent {
                    message: Some("m1".into()),
                    invalid: Vec::new(),
                }),
                Does::Refuses => Err(ApiError::Refused(answer("no"))),
                Does::LosesTheReply => Err(ApiError::Unknown(answer("time-out"))),
                Does::IsAway => Err(ApiError::Unreachable("refused connection".into())),
            }
        })
    }

    fn receipt<'a>(&'a self, _: &'a Parcel, _: &'a str) -> Pending<'a, Result<Receipt, ApiError>> {
        Box::pin(async { Ok(Receipt::default()) })
    }

    fn recall<'a>(&'a self, _: &'a Parcel, _: &'a str) -> Pending<'a, Result<(), ApiError>> {
        Box::pin(async { Ok(()) })
    }

    fn upload<'a>(&'a self, _: &'a [u8]) -> Pending<'a, Result<String, ApiError>> {
        Box::pin(async { Ok("img_1".into()) })
    }

    fn timeout_ms(&self) -> u64 {
        1_000
    }
}

/// A notice that fires every hour, on the hour, in so many parts.
struct Hourly {
    address: Address,
    applied_at: Timestamp,
    parts: usize,
    repeat: Repeat,
}

impl Notice for Hourly {
    fn address(&self) -> &Address {
        &self.address
    }

    fn revision(&self) -> &str {
        "r1"
    }

    fn applied_at(&self) -> Timestamp {
        self.applied_at
    }

    fn late(&self) -> SignedDuration {
        SignedDuration::from_mins(15)
    }

    fn firings(&self, from: Timestamp, until: Timestamp) -> Vec<Firing> {
        let hour = 3_600;
        let first = from.as_second().div_euclid(hour) + 1;
        let hours = first..=until.as_second().div_euclid(hour);
        hours
            .map(|n| {
                let nominal = Timestamp::from_second(n * hour).unwrap();
                Firing {
                    nominal,
                    at: nominal,
                    skip: (n % 24 == 5).then(|| "a holiday".to_owned()),
                }
            })
            .collect()
    }

    fn next(&self, _: Timestamp) -> Option<Timestamp> {
        None
    }

    fn compose(&self, firing: &Firing) -> Result<Vec<NewDelivery>, String> {
        let part = |n: usize| NewDelivery {
            provider: Name::new("feishu").unwrap(),
            app: AppId::new("cli_a"),
            parcel: Parcel {
                operation: "batchSendMessage".into(),
                query: Vec::new(),
                body: format!("{} part {n}", firing.nominal),
                to: BTreeSet::from([To::Recipient(Recipient::OpenId(format!("ou_{n}").into()))]),
            },
            repeat: self.repeat,
            unseen: Vec::new(),
        };
        Ok((0..self.parts).map(part).collect())
    }
}

struct World {
    books: Arc<dyn Books>,
    vendor: Arc<Vendor>,
    notices: Vec<Arc<dyn Notice>>,
}

fn at(text: &str) -> Timestamp {
    format!("2026-12-01T{text}:00Z").parse().unwrap()
}

fn world(parts: usize, repeat: Repeat, script: &[Does]) -> World {
    World {
        books: ledger::open_memory(&Name::new("p").unwrap()),
        vendor: Vendor::new(script),
        notices: vec![Arc::new(Hourly {
            address: "recurring_notice.hourly".parse().unwrap(),
            applied_at: at("09:30"),
            parts,
            repeat,
        })],
    }
}

impl World {
    async fn tick(&self, now: Timestamp) -> Round {
        let vendor: Arc<dyn Channel> = self.vendor.clone();
        let channels: Channels = BTreeMap::from([(Name::new("feishu").unwrap(), vendor)]);
        let context = Context {
            outbox: self.outbox(),
            channels: &channels,
            runner: "one",
            stop: &Stop::default(),
            now: &|| now,
            tell: &|_| {},
        };
        round(&context, &self.notices).await.unwrap()
    }

    fn outbox(&self) -> &dyn Outbox {
        self.books.as_ref()
    }

    /// Every occurrence in a line, oldest first.
    async fn told(&self) -> Vec<String> {
        let mut all = self.outbox().occurrences(None, 1_000).await.unwrap();
        all.reverse();
        all.iter()
            .map(|o| {
                let hour = o.key.nominal.strftime("%d %H:%M");
                let end = o.outcome.as_ref();
                let end = end.map_or("open".to_owned(), |(end, why)| {
                    format!("{} ({why})", end.as_str())
                });
                format!("{hour} x{} {end}", o.count)
            })
            .collect()
    }
}

#[tokio::test]
async fn an_instant_is_sent_once_however_often_somebody_looks() {
    let world = world(1, Repeat::Never, &[]);
    assert_eq!(world.tick(at("09:59")).await, Round::default());
    let round = world.tick(at("10:00")).await;
    assert_eq!(round.ended.len(), 1);
    for minute in ["10:00", "10:01", "10:59"] {
        assert_eq!(world.tick(at(minute)).await, Round::default());
    }
    assert_eq!(world.vendor.arrived(), ["2026-12-01T10:00:00Z part 0"]);
    assert_eq!(world.told().await, ["01 10:00 x1 sent ()"]);
}

#[tokio::test]
async fn no_instant_before_the_apply_is_due() {
    let world = world(1, Repeat::Never, &[]);
    world.tick(at("09:31")).await;
    assert_eq!(world.told().await, Vec::<String>::new());
}

#[tokio::test]
async fn of_several_due_at_once_the_latest_is_sent_unless_it_is_too_late() {
    let world = world(1, Repeat::Never, &[]);
    world.tick(at("12:14")).await;
    world.tick(at("13:16")).await;
    assert_eq!(
        world.told().await,
        [
            "01 10:00 x1 missed (superseded)",
            "01 11:00 x1 missed (superseded)",
            "01 12:00 x1 sent ()",
            "01 13:00 x1 missed (too late)",
        ]
    );
    assert_eq!(world.vendor.arrived().len(), 1);
}

#[tokio::test]
async fn a_long_outage_is_one_row_and_what_was_not_to_be_sent_stays_apart() {
    let world = world(1, Repeat::Never, &[]);
    let back = at("09:59") + 48.hours();
    world.tick(back).await;
    let told = world.told().await;
    assert_eq!(
        told,
        [
            "01 10:00 x46 missed (nobody was there)",
            "02 05:00 x1 skipped (a holiday)",
            "03 05:00 x1 skipped (a holiday)",
        ]
    );
    // What was missed is not looked at again.
    assert_eq!(world.tick(back).await, Round::default());
}

#[tokio::test]
async fn a_lost_reply_is_held_where_the_channel_knows_no_key() {
    let world = world(1, Repeat::Never, &[Does::LosesTheReply]);
    world.tick(at("10:00")).await;
    assert_eq!(world.told().await, ["01 10:00 x1 open"]);
    let round = world.tick(at("10:01")).await;
    assert_eq!(round.ended[0].1, Outcome::Held);
    world.tick(at("10:02")).await;
    assert_eq!(world.vendor.arrived().len(), 1, "it is never sent again");
}

#[tokio::test]
async fn a_lost_reply_is_repeated_with_the_same_bytes_while_the_key_lasts() {
    let window = Repeat::For(SignedDuration::from_mins(55));
    let lost = [Does::LosesTheReply, Does::LosesTheReply];
    let world = world(1, window, &lost);
    world.tick(at("10:00")).await;
    world.tick(at("10:01")).await;
    world.tick(at("10:02")).await;
    assert_eq!(world.told().await, ["01 10:00 x1 sent ()"]);
    let arrived = world.vendor.arrived();
    assert_eq!(arrived, vec![arrived[0].clone(); 3]);
}

#[tokio::test]
async fn the_key_of_a_lost_send_runs_out() {
    let window = Repeat::For(SignedDuration::from_mins(55));
    let world = world(1, window, &[Does::LosesTheReply]);
    world.tick(at("10:00")).await;
    world.tick(at("10:55")).await;
    assert_eq!(
        world.told().await[0],
        "01 10:00 x1 held (send: unknown outcome: time-out)"
    );
    assert_eq!(world.vendor.arrived().len(), 1);
}

#[tokio::test]
async fn the_same_day_ends_five_minutes_before_midnight_in_shanghai() {
    // 15:55 UTC is 23:55 there.
    for (first, second, sent) in [("15:00", "15:54", 2), ("15:00", "15:55", 1)] {
        let mut world = world(1, Repeat::SameDay, &[Does::LosesTheReply]);
        world.notices = vec![Arc::new(Hourly {
            address: "recurring_notice.hourly".parse().unwrap(),
            applied_at: at("14:30"),
            parts: 1,
            repeat: Repeat::SameDay,
        })];
        world.tick(at(first)).await;
        world.tick(at(second)).await;
        assert_eq!(world.vendor.arrived().len(), sent, "{second}");
    }
}

#[tokio::test]
async fn what_never_left_is_sent_in_the_next_round() {
    let world = world(1, Repeat::Never, &[Does::IsAway, Does::IsAway]);
    world.tick(at("10:00")).await;
    world.tick(at("10:01")).await;
    assert_eq!(world.told().await, ["01 10:00 x1 open"]);
    world.tick(at("10:02")).await;
    assert_eq!(world.told().await, ["01 10:00 x1 sent ()"]);
    assert_eq!(world.vendor.arrived().len(), 1);
}

#[tokio::test]
async fn a_refusal_stops_no_other_delivery() {
    let all_refused = world(2, Repeat::Never, &[Does::Refuses, Does::Refuses]);
    all_refused.tick(at("10:00")).await;
    assert_eq!(
        all_refused.told().await,
        ["01 10:00 x1 refused (send: refused: no)"]
    );

    let world = world(3, Repeat::Never, &[Does::Takes, Does::Refuses]);
    world.tick(at("10:00")).await;
    assert_eq!(
        world.told().await,
        ["01 10:00 x1 partial (send: refused: no)"]
    );
    assert_eq!(world.vendor.arrived().len(), 2);
}

#[tokio::test]
async fn a_runner_that_dies_with_a_delivery_leaves_it_unknown_and_never_pending() {
    let world = world(2, Repeat::Never, &[]);
    let notice = &world.notices[0];
    let (until, admissions) = beadle::engine::runner::due(notice.as_ref(), None, at("10:00"));
    let outbox = world.outbox();
    outbox
        .admit(notice.address(), until, &admissions)
        .await
        .unwrap();
    let open = outbox.open(at("10:00")).await.unwrap();
    let claim = Claim {
        runner: "dead".into(),
        expires: at("10:01"),
    };
    assert!(outbox.claim(&open[0], &claim, at("10:00")).await.unwrap());
    // While the claim lasts nobody else takes it, and the rest goes on.
    assert!(!outbox.claim(&open[0], &claim, at("10:00")).await.unwrap());
    let round = world.tick(at("10:00")).await;
    assert_eq!((round.ended.len(), round.open.len()), (0, 1));
    assert_eq!(world.vendor.arrived().len(), 1);
    // Then it is held, for it may have been sent.
    world.tick(at("10:01")).await;
    let told = world.told().await;
    assert_eq!(
        told,
        ["01 10:00 x1 held (the runner that sent it did not come back)"]
    );
    // The dead one wakes up, and writes nothing.
    let ending = beadle::engine::outbox::Ending {
        state: State::Sent,
        message: None,
        detail: "ok".into(),
        invalid: Vec::new(),
    };
    let late = outbox.end(open[0].id, "dead", at("10:02"), &ending).await;
    assert!(late.is_err());
    assert_eq!(world.told().await, told);
}

#[tokio::test]
async fn what_another_runner_has_tried_since_it_was_seen_is_not_claimed() {
    let world = world(1, Repeat::Never, &[Does::LosesTheReply]);
    let notice = &world.notices[0];
    let (until, admissions) = beadle::engine::runner::due(notice.as_ref(), None, at("10:00"));
    let outbox = world.outbox();
    let admitted = outbox.admit(notice.address(), until, &admissions).await;
    assert_eq!(admitted.unwrap(), [true]);
    // One has seen it pending; another sends it meanwhile, and the reply is lost.
    let seen = outbox.open(at("10:00")).await.unwrap();
    world.tick(at("10:00")).await;
    let claim = Claim {
        runner: "slow".into(),
        expires: at("10:05"),
    };
    assert!(!outbox.claim(&seen[0], &claim, at("10:00")).await.unwrap());
    world.tick(at("10:01")).await;
    assert!(world.told().await[0].starts_with("01 10:00 x1 held"));
    assert_eq!(world.vendor.arrived().len(), 1);
}

#[tokio::test]
async fn two_runners_that_find_the_same_instant_admit_it_once() {
    let world = world(1, Repeat::Never, &[]);
    let notice = &world.notices[0];
    let (until, admissions) = beadle::engine::runner::due(notice.as_ref(), None, at("10:00"));
    let outbox = world.outbox();
    let first = outbox.admit(notice.address(), until, &admissions).await;
    let second = outbox.admit(notice.address(), until, &admissions).await;
    assert_eq!((first.unwrap(), second.unwrap()), (vec![true], vec![false]));
    world.tick(at("10:00")).await;
    assert_eq!(world.vendor.arrived().len(), 1);
}

#[tokio::test]
async fn what_is_cancelled_is_not_sent() {
    let world = world(2, Repeat::Never, &[Does::Takes, Does::IsAway]);
    world.tick(at("10:00")).await;
    let address = world.notices[0].address().clone();
    let cancelled = world
        .outbox()
        .cancel(&address, "the notice was deleted")
        .await;
    assert_eq!(cancelled.unwrap(), 1);
    world.tick(at("10:01")).await;
    assert_eq!(
        world.told().await,
        ["01 10:00 x1 partial (the notice was deleted)"]
    );
    assert_eq!(world.vendor.arrived().len(), 1);
}
