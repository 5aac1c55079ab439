//! Firing what is due, against a ledger in memory or on PostgreSQL and a vendor that does as it is told.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use beadle::engine::afterwards::{RecallState, Word};
use beadle::engine::agenda::Roster;
use beadle::engine::channel::{
    Channel, Job, Letter, Parcel, RecallRules, Receipt, Repeat, Sent, To, UploadError,
};
use beadle::engine::held::{Settled, settle};
use beadle::engine::outbox::{
    Admitted, Books, Claim, Key, NewDelivery, Occurrence, Outbox, Outcome, Purpose, State,
};
use beadle::engine::polls::Rhythm;
use beadle::engine::quota::{Claimed, Daily, Over, Quota, Take};
use beadle::engine::right::Stop;
use beadle::engine::runner::{
    Channels, Context, Due, Firing, Notice, Round, Uncomposed, due, round,
};
use beadle::engine::{Answer, ApiError, Pending};
use beadle::ledger;
use beadle::model::group::Recipient;
use beadle::model::{Address, AppId, Name};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::support::postgres::Schema;

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
    /// What it does with the next recalls, and how many there were.
    recalls: Mutex<(VecDeque<Does>, usize)>,
    repeats_recalls: bool,
    /// What each parcel takes of its quota.
    quota: Mutex<Quota>,
    script: Mutex<VecDeque<Does>>,
    arrived: Mutex<Vec<String>>,
}

impl Vendor {
    fn new(script: &[Does]) -> Arc<Self> {
        Arc::new(Self {
            app: AppId::new("cli_a"),
            recalls: Mutex::default(),
            repeats_recalls: true,
            quota: Mutex::default(),
            script: Mutex::new(script.iter().copied().collect()),
            arrived: Mutex::new(Vec::new()),
        })
    }

    /// What arrived of the notice itself.
    fn arrived(&self) -> Vec<String> {
        let all = self.arrived.lock().unwrap().clone();
        all.into_iter()
            .filter(|body| body.contains(" part "))
            .collect()
    }

    /// What arrived for those who hear of problems.
    fn problems(&self) -> Vec<String> {
        let all = self.arrived.lock().unwrap().clone();
        all.into_iter()
            .filter(|body| !body.contains(" part "))
            .collect()
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

    fn rhythm(&self, _: &Parcel) -> Rhythm {
        Rhythm::NEVER
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
        let mut recalls = self.recalls.lock().unwrap();
        let does = recalls.0.pop_front().unwrap_or(Does::Takes);
        recalls.1 += 1;
        Box::pin(async move {
            match does {
                Does::Takes => Ok(()),
                Does::Refuses => Err(ApiError::Refused(answer("no"))),
                Does::LosesTheReply => Err(ApiError::Unknown(answer("time-out"))),
                Does::IsAway => Err(ApiError::Unreachable("refused connection".into())),
            }
        })
    }

    fn quota(&self, parcel: &Parcel, _: Job, _: Timestamp) -> Quota {
        let mut quota = self.quota.lock().unwrap().clone();
        if let Some(daily) = &mut quota.daily {
            daily.people = parcel.to.iter().cloned().collect();
        }
        quota
    }

    fn recalls(&self, _: &Parcel) -> Result<RecallRules, String> {
        Ok(RecallRules {
            within: Some(SignedDuration::from_hours(24)),
            repeats: self.repeats_recalls,
        })
    }

    fn upload<'a>(&'a self, _: &'a [u8]) -> Pending<'a, Result<String, UploadError>> {
        Box::pin(async { Ok("img_1".into()) })
    }

    fn timeout_ms(&self) -> u64 {
        1_000
    }
}

/// How late its occurrences may be sent.
const LATE: SignedDuration = SignedDuration::from_mins(15);

/// A notice that fires every hour, on the hour, in so many parts.
struct Hourly {
    address: Address,
    applied_at: Timestamp,
    parts: usize,
    repeat: Repeat,
    revoke_after: Option<SignedDuration>,
    late: SignedDuration,
}

impl Hourly {
    fn part(&self, text: String, n: usize) -> NewDelivery {
        NewDelivery {
            provider: Name::new("feishu").unwrap(),
            app: AppId::new("cli_a"),
            parcel: Parcel {
                operation: "batchSendMessage".into(),
                query: Vec::new(),
                body: text,
                to: BTreeSet::from([To::Recipient(Recipient::OpenId(format!("ou_{n}").into()))]),
            },
            repeat: self.repeat,
            unseen: Vec::new(),
        }
    }
}

impl Notice for Hourly {
    fn revoke_after(&self) -> Option<SignedDuration> {
        self.revoke_after
    }

    fn problem(&self, occurrence: &Occurrence) -> Result<Vec<NewDelivery>, String> {
        let outcome = occurrence.outcome.as_ref().unwrap().0.as_str();
        Ok(vec![self.part(
            format!("{} was {outcome}", occurrence.key.nominal),
            9,
        )])
    }

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
        self.late
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

    fn nothing_before(&self, after: Timestamp) -> Option<Timestamp> {
        let hour = 3_600;
        let next = (after.as_second().div_euclid(hour) + 1) * hour;
        Some(Timestamp::from_second(next).unwrap())
    }

    fn compose(&self, firing: &Firing) -> Result<Vec<NewDelivery>, Uncomposed> {
        let part = |n| self.part(format!("{} part {n}", firing.nominal), n);
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

thread_local! {
    /// Where the worlds of this thread have their ledgers; in memory where there is nothing.
    static SERVER: RefCell<Option<Schema>> = const { RefCell::new(None) };
}

/// A ledger that nobody else uses.
fn books() -> Arc<dyn Books> {
    SERVER.with_borrow(|server| match server {
        None => ledger::open_memory(&Name::new("p").unwrap()),
        Some(schema) => {
            let project = format!("p{}", WORLDS.fetch_add(1, Ordering::Relaxed));
            // The test has a runtime of its own, in which nobody may wait.
            let open = || schema.open(&project);
            std::thread::scope(|scope| Arc::new(scope.spawn(open).join().unwrap()))
        }
    })
}

/// How many worlds there were on a server.
static WORLDS: AtomicUsize = AtomicUsize::new(0);

fn world(parts: usize, repeat: Repeat, script: &[Does]) -> World {
    World {
        books: books(),
        vendor: Vendor::new(script),
        notices: vec![Arc::new(Hourly {
            address: "recurring_notice.hourly".parse().unwrap(),
            applied_at: at("09:30"),
            parts,
            repeat,
            revoke_after: None,
            late: LATE,
        })],
    }
}

impl World {
    async fn tick(&self, now: Timestamp) -> Round {
        let vendor: Arc<dyn Channel> = self.vendor.clone();
        let channels: Channels = BTreeMap::from([(Name::new("feishu").unwrap(), vendor)]);
        let context = Context {
            outbox: self.books.as_ref(),
            channels: &channels,
            runner: "one",
            stop: &Stop::default(),
            now: &|| now,
            tell: &|_| {},
        };
        let handled = self.books.handled().await.unwrap();
        let mut roster = Roster::new(self.notices.clone(), &handled);
        round(&context, &mut roster).await.unwrap()
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
    let mut world = world(1, window, &[Does::LosesTheReply]);
    world.notices = vec![Arc::new(Hourly {
        address: "recurring_notice.hourly".parse().unwrap(),
        applied_at: at("09:30"),
        parts: 1,
        repeat: window,
        revoke_after: None,
        late: SignedDuration::from_hours(6),
    })];
    world.tick(at("10:00")).await;
    world.tick(at("10:55")).await;
    assert_eq!(
        world.told().await[0],
        "01 10:00 x1 held (send: unknown outcome: time-out)"
    );
    assert_eq!(world.vendor.arrived().len(), 1);
}

#[tokio::test]
async fn what_may_be_sent_once_more_is_sent_once_more_and_then_held() {
    use Does::{LosesTheReply as Lost, Refuses, Takes};
    // What the vendor does, how often it is sent, and what the occurrence ends as.
    for (script, arrives, ends) in [
        (&[Takes][..], 1, "sent ()"),
        (&[Lost, Takes], 2, "sent ()"),
        (&[Lost, Lost], 2, "held (send: unknown outcome: time-out)"),
        // It says nothing of the first.
        (&[Lost, Refuses], 1, "held (send: refused: no)"),
    ] {
        let world = world(1, Repeat::Again, script);
        for minute in ["10:00", "10:01", "10:02", "10:03"] {
            world.tick(at(minute)).await;
        }
        assert_eq!(world.told().await, [format!("01 10:00 x1 {ends}")]);
        let arrived = world.vendor.arrived();
        assert_eq!(arrived, vec![arrived[0].clone(); arrives]);
    }
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
            revoke_after: None,
            late: SignedDuration::from_hours(6),
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
    let Due {
        until, admissions, ..
    } = due(notice.as_ref(), None, at("10:00"));
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
    let free = Quota::default();
    let taken = outbox.claim(&open[0], &claim, &free, at("10:00")).await;
    assert_eq!(taken.unwrap(), Claimed::Taken(Vec::new()));
    // While the claim lasts nobody else takes it, and the rest goes on.
    let again = outbox.claim(&open[0], &claim, &free, at("10:00")).await;
    assert_eq!(again.unwrap(), Claimed::Gone);
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
    let Due {
        until, admissions, ..
    } = due(notice.as_ref(), None, at("10:00"));
    let outbox = world.outbox();
    let admitted = outbox.admit(notice.address(), until, &admissions).await;
    assert_eq!(admitted.unwrap(), Admitted::New(vec![true]));
    // One has seen it pending; another sends it meanwhile, and the reply is lost.
    let seen = outbox.open(at("10:00")).await.unwrap();
    world.tick(at("10:00")).await;
    let claim = Claim {
        runner: "slow".into(),
        expires: at("10:05"),
    };
    let free = Quota::default();
    let taken = outbox.claim(&seen[0], &claim, &free, at("10:00")).await;
    assert_eq!(taken.unwrap(), Claimed::Gone);
    world.tick(at("10:01")).await;
    assert!(world.told().await[0].starts_with("01 10:00 x1 held"));
    assert_eq!(world.vendor.arrived().len(), 1);
}

#[tokio::test]
async fn two_runners_that_find_the_same_instant_admit_it_once() {
    let world = world(1, Repeat::Never, &[]);
    let notice = &world.notices[0];
    let Due {
        until, admissions, ..
    } = due(notice.as_ref(), None, at("10:00"));
    let outbox = world.outbox();
    let first = outbox.admit(notice.address(), until, &admissions).await;
    let second = outbox.admit(notice.address(), until, &admissions).await;
    assert_eq!(first.unwrap(), Admitted::New(vec![true]));
    assert_eq!(second.unwrap(), Admitted::New(vec![false]));
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

impl World {
    fn key(&self, time: &str) -> Key {
        Key {
            notice: self.notices[0].address().clone(),
            nominal: at(time),
        }
    }

    async fn settle(&self, time: &str, word: Word) -> Settled {
        let key = self.key(time);
        let settled = settle(self.books.as_ref(), &key, word, "ada", at("11:30"));
        settled.await.unwrap()
    }

    async fn recalls(&self, time: &str) -> Vec<(RecallState, String)> {
        let recalls = self.books.recalls_of(&self.key(time)).await.unwrap();
        recalls.into_iter().map(|r| (r.state, r.detail)).collect()
    }
}

#[tokio::test]
async fn what_is_held_is_left_by_a_word_alone_and_ends_once_more() {
    for (word, end, sent) in [
        (Word::Sent, "01 10:00 x1 sent ()", 1),
        (
            Word::NotSent,
            "01 10:00 x1 refused (ada said that it was not sent)",
            1,
        ),
        (Word::Resend, "01 10:00 x1 sent ()", 2),
    ] {
        let world = world(1, Repeat::Never, &[Does::LosesTheReply]);
        world.tick(at("10:00")).await;
        assert_eq!(world.settle("10:00", word).await, Settled::NotHeld(None));
        world.tick(at("10:01")).await;
        assert_eq!(world.settle("09:00", word).await, Settled::Missing);
        let settled = world.settle("10:00", word).await;
        assert_ne!(settled, Settled::NotHeld(None));
        world.tick(at("11:31")).await;
        assert_eq!(world.told().await.first().map(String::as_str), Some(end));
        let arrived = world.vendor.arrived();
        let ours = arrived
            .iter()
            .filter(|body| body.starts_with("2026-12-01T10:00"));
        assert_eq!(ours.count(), sent, "{word:?}");
        let again = world.settle("10:00", word).await;
        assert!(matches!(again, Settled::NotHeld(Some(_))), "{again:?}");
        let said = world.books.settlements(&world.key("10:00")).await.unwrap();
        assert_eq!(said.len(), 1);
        assert_eq!((said[0].word, said[0].who.as_str()), (word, "ada"));
        assert!(said[0].held_for.contains("time-out"), "{said:?}");
    }
}

#[tokio::test]
async fn what_is_sent_again_and_lost_again_is_held_again() {
    let lost = [Does::LosesTheReply, Does::Takes, Does::LosesTheReply];
    let world = world(1, Repeat::Never, &lost);
    world.tick(at("10:00")).await;
    world.tick(at("10:01")).await;
    assert_eq!(world.settle("10:00", Word::Resend).await, Settled::Open);
    world.tick(at("10:02")).await;
    world.tick(at("10:03")).await;
    assert!(world.told().await[0].starts_with("01 10:00 x1 held"));
    // Whoever hears of problems has heard of this occurrence.
    assert_eq!(world.vendor.problems(), ["2026-12-01T10:00:00Z was held"]);
}

#[tokio::test]
async fn who_hears_of_problems_is_told_once_an_occurrence_and_of_nothing_else() {
    // The word of the problem is lost itself.
    let script = [Does::Refuses, Does::LosesTheReply];
    let world = world(1, Repeat::Never, &script);
    world.tick(at("10:00")).await;
    for minute in ["10:01", "10:02"] {
        world.tick(at(minute)).await;
    }
    assert_eq!(
        world.vendor.problems(),
        ["2026-12-01T10:00:00Z was refused"]
    );
    let deliveries = world
        .outbox()
        .deliveries(&world.key("10:00"))
        .await
        .unwrap();
    let states: Vec<_> = deliveries.iter().map(|d| (d.purpose, d.state)).collect();
    let expected = [
        (Purpose::Notice, State::Refused),
        (Purpose::Problem, State::Held),
    ];
    assert_eq!(states, expected);
    world.tick(at("11:00")).await;
    world.tick(at("12:16")).await;
    assert_eq!(
        world.vendor.problems()[1..],
        ["2026-12-01T12:00:00Z was missed"]
    );
}

#[tokio::test]
async fn what_does_not_leave_in_time_is_missed() {
    let world = world(1, Repeat::Never, &[Does::IsAway, Does::IsAway]);
    world.tick(at("10:00")).await;
    world.tick(at("10:15")).await;
    world.tick(at("10:16")).await;
    assert_eq!(
        world.told().await,
        ["01 10:00 x1 missed (it did not leave in time)"]
    );
    assert_eq!(world.vendor.arrived(), Vec::<String>::new());
}

#[tokio::test]
async fn a_clock_that_jumps_back_fires_nothing_twice() {
    let world = world(1, Repeat::Never, &[]);
    world.tick(at("11:00")).await;
    let told = world.told().await;
    for minute in ["10:00", "09:00", "10:59", "11:00"] {
        assert_eq!(world.tick(at(minute)).await, Round::default(), "{minute}");
    }
    assert_eq!(world.told().await, told);
    world.tick(at("12:00")).await;
    assert_eq!(world.vendor.arrived().len(), 2);
}

#[tokio::test]
async fn what_stands_for_a_time_is_taken_back_after_it() {
    let mut world = world(2, Repeat::Never, &[]);
    world.notices = vec![Arc::new(Hourly {
        address: "recurring_notice.hourly".parse().unwrap(),
        applied_at: at("09:30"),
        parts: 2,
        repeat: Repeat::Never,
        revoke_after: Some(SignedDuration::from_mins(30)),
        late: LATE,
    })];
    world.tick(at("10:00")).await;
    world.tick(at("10:29")).await;
    assert_eq!(world.recalls("10:00").await, []);
    let round = world.tick(at("10:30")).await;
    assert_eq!(round.recalls.len(), 2);
    let done = vec![(RecallState::Recalled, "ok".to_owned()); 2];
    assert_eq!(world.recalls("10:00").await, done);
    world.tick(at("10:31")).await;
    assert_eq!(world.vendor.recalls.lock().unwrap().1, 2);
}

#[tokio::test]
async fn a_recall_is_repeated_only_where_the_vendor_lets_it_be() {
    for (repeats, calls, state) in [
        (true, 2, RecallState::Recalled),
        (false, 1, RecallState::Held),
    ] {
        let mut world = world(1, Repeat::Never, &[]);
        Arc::get_mut(&mut world.vendor).unwrap().repeats_recalls = repeats;
        world
            .vendor
            .recalls
            .lock()
            .unwrap()
            .0
            .push_back(Does::LosesTheReply);
        world.tick(at("10:00")).await;
        let key = world.key("10:00");
        assert!(world.books.revoke(&key, "ada", at("10:10")).await.unwrap());
        assert!(!world.books.revoke(&key, "bo", at("10:11")).await.unwrap());
        let round = world.tick(at("10:12")).await;
        assert_eq!(round.recalls[0].2, RecallState::Unknown);
        // Nothing is waited for where it is not asked for again.
        let soon = world.tick(at("10:12") + 1.seconds()).await;
        assert_eq!(soon.recalls.is_empty(), repeats);
        world.tick(at("10:13")).await;
        world.tick(at("10:14")).await;
        assert_eq!(world.vendor.recalls.lock().unwrap().1, calls);
        assert_eq!(world.recalls("10:00").await[0].0, state);
    }
}

#[tokio::test]
async fn a_recall_that_stays_unknown_is_asked_for_less_and_less_often_and_for_a_day() {
    let mut world = world(1, Repeat::Never, &[]);
    Arc::get_mut(&mut world.vendor).unwrap().repeats_recalls = true;
    let never = std::iter::repeat_n(Does::LosesTheReply, 1000);
    world.vendor.recalls.lock().unwrap().0.extend(never);
    world.tick(at("10:00")).await;
    let key = world.key("10:00");
    assert!(world.books.revoke(&key, "ada", at("10:00")).await.unwrap());
    let mut calls = Vec::new();
    let mut now = at("10:00");
    while now < at("10:00") + 26.hours() {
        let round = world.tick(now).await;
        if world.recalls("10:00").await[0].0 == RecallState::Unknown && round.recalls.is_empty() {
            assert!(round.wakes.unwrap() > now, "somebody wakes up for it");
        }
        if now == at("10:05") || now == at("11:00") {
            calls.push(world.vendor.recalls.lock().unwrap().1);
        }
        now += if now < at("11:00") {
            10.seconds()
        } else {
            5.minutes()
        };
    }
    // After 0, 10, 30, 70 and 150 seconds; then also after 5m10s, 10m30s, 21m10s, 36m10s and 51m10s.
    assert_eq!(calls, [5, 10]);
    let (state, why) = &world.recalls("10:00").await[0];
    assert_eq!(*state, RecallState::Held, "{why}");
    assert!(
        why.ends_with("; it has been asked for again for a day"),
        "{why}"
    );
    let calls = world.vendor.recalls.lock().unwrap().1;
    assert!((100..110).contains(&calls), "{calls}");
}

#[tokio::test]
async fn what_cannot_be_taken_back_says_why() {
    // Too late for the vendor; refused by it; never sent; unknown whether it was.
    let script = [Does::Takes, Does::Takes, Does::IsAway, Does::LosesTheReply];
    let world = world(1, Repeat::Never, &script);
    for time in ["10:00", "11:00", "12:00", "13:00", "13:01"] {
        world.tick(at(time)).await;
    }
    world
        .vendor
        .recalls
        .lock()
        .unwrap()
        .0
        .push_back(Does::Refuses);
    for time in ["11:00", "12:00", "13:00"] {
        let key = world.key(time);
        assert!(world.books.revoke(&key, "ada", at("13:02")).await.unwrap());
    }
    world.tick(at("13:03")).await;
    let late = at("10:00") + 25.hours();
    let key = world.key("10:00");
    assert!(world.books.revoke(&key, "ada", late).await.unwrap());
    world.tick(late).await;
    let [(state, why)] = &world.recalls("10:00").await[..] else {
        panic!("one delivery was sent")
    };
    assert_eq!(*state, RecallState::Impossible);
    assert!(why.contains("too late"), "{why}");
    assert_eq!(world.recalls("11:00").await[0].0, RecallState::Refused);
    assert_eq!(world.recalls("12:00").await, []);
    let unknown = (
        RecallState::Impossible,
        "the vendor's id of the message is not known".to_owned(),
    );
    assert_eq!(world.recalls("13:00").await, [unknown]);
    assert_eq!(world.settle("13:00", Word::Resend).await, Settled::Revoked);
}

fn take(most: u64, ends: &str) -> Quota {
    Quota {
        takes: vec![Take {
            name: "v/receivers".into(),
            over: Over::Period {
                name: format!("until {ends}"),
                ends: at(ends),
            },
            amount: 1,
            most,
            what: "the receivers of a minute".into(),
        }],
        daily: None,
    }
}

#[tokio::test]
async fn what_has_no_room_in_a_quota_waits_for_the_next_period() {
    let world = world(3, Repeat::Never, &[]);
    *world.vendor.quota.lock().unwrap() = take(2, "10:01");
    let round = world.tick(at("10:00")).await;
    assert_eq!(world.vendor.arrived().len(), 2);
    assert_eq!(round.waits.map(|(until, _)| until), Some(at("10:01")));
    *world.vendor.quota.lock().unwrap() = take(2, "10:02");
    world.tick(at("10:01")).await;
    assert_eq!(world.told().await, ["01 10:00 x1 sent ()"]);
}

#[tokio::test]
async fn what_would_wait_for_too_long_is_refused_in_words() {
    let world = world(3, Repeat::Never, &[]);
    *world.vendor.quota.lock().unwrap() = take(2, "23:00");
    world.tick(at("10:00")).await;
    assert_eq!(
        world.told().await,
        ["01 10:00 x1 partial (the receivers of a minute are used up until 2026-12-01T23:00:00Z)"]
    );
}

#[tokio::test]
async fn what_a_vendor_would_drop_is_not_sent_and_says_so() {
    let world = world(1, Repeat::SameDay, &[Does::LosesTheReply]);
    *world.vendor.quota.lock().unwrap() = Quota {
        takes: Vec::new(),
        daily: Some(Daily {
            app: "v/a".into(),
            day: "2026-12-01".into(),
            content: "c".into(),
            people: Vec::new(),
            most: 2,
            had: "has had it",
            full: "has had enough",
        }),
    };
    // What was lost is sent again: nobody else has sent that.
    world.tick(at("10:00")).await;
    world.tick(at("10:01")).await;
    assert_eq!(world.vendor.arrived().len(), 2);
    world.tick(at("11:00")).await;
    let set = |content: &str, day: &str| {
        let mut quota = world.vendor.quota.lock().unwrap();
        let daily = quota.daily.as_mut().unwrap();
        (daily.content, daily.day) = (content.to_owned(), day.to_owned());
    };
    set("d", "2026-12-01");
    world.tick(at("12:00")).await;
    set("e", "2026-12-01");
    world.tick(at("13:00")).await;
    set("e", "2026-12-02");
    world.tick(at("14:00")).await;
    assert_eq!(
        world.told().await,
        [
            "01 10:00 x1 sent ()",
            "01 11:00 x1 refused (nobody would get it: each of its people has had it)",
            "01 12:00 x1 sent ()",
            "01 13:00 x1 refused (nobody would get it: each of its people has had enough)",
            "01 14:00 x1 sent ()",
        ]
    );
    let deliveries = world
        .outbox()
        .deliveries(&world.key("11:00"))
        .await
        .unwrap();
    assert_eq!(deliveries[0].invalid[0].1, "has had it");
}

#[tokio::test]
async fn somebody_who_gets_nothing_makes_the_rest_no_less() {
    let world = world(1, Repeat::Never, &[Does::Refuses]);
    let quota = Quota {
        takes: Vec::new(),
        daily: Some(Daily {
            app: "v/a".into(),
            day: "2026-12-01".into(),
            content: "c".into(),
            people: Vec::new(),
            most: 500,
            had: "has had it",
            full: "has had enough",
        }),
    };
    *world.vendor.quota.lock().unwrap() = quota;
    // Nobody has what was refused.
    world.tick(at("10:00")).await;
    world.tick(at("11:00")).await;
    assert_eq!(world.told().await[1], "01 11:00 x1 sent ()");
}

#[test]
fn an_occurrence_is_read_as_it_is_shown() {
    let text = "recurring_notice.weekly-review@2026-12-02T02:00:00Z";
    let key: Key = text.parse().unwrap();
    assert_eq!(key.to_string(), text);
    let offset = "recurring_notice.weekly-review@2026-12-02T10:00:00+08:00";
    assert_eq!(offset.parse::<Key>().unwrap(), key);
    for wrong in [
        "",
        "weekly-review",
        "recurring_notice.x",
        "chat.x@2026-12-02T02:00:00Z",
        "recurring_notice.x@soon",
        "@2026-12-02T02:00:00Z",
    ] {
        assert!(wrong.parse::<Key>().is_err(), "{wrong}");
    }
}

/// Every test above once more, on a server.
#[test]
fn all_of_it_holds_on_postgres_too() {
    const ALL: &[(&str, fn())] = &[
        (
            "an_instant_is_sent_once_however_often_somebody_looks",
            an_instant_is_sent_once_however_often_somebody_looks,
        ),
        (
            "no_instant_before_the_apply_is_due",
            no_instant_before_the_apply_is_due,
        ),
        (
            "of_several_due_at_once_the_latest_is_sent_unless_it_is_too_late",
            of_several_due_at_once_the_latest_is_sent_unless_it_is_too_late,
        ),
        (
            "a_long_outage_is_one_row_and_what_was_not_to_be_sent_stays_apart",
            a_long_outage_is_one_row_and_what_was_not_to_be_sent_stays_apart,
        ),
        (
            "a_lost_reply_is_held_where_the_channel_knows_no_key",
            a_lost_reply_is_held_where_the_channel_knows_no_key,
        ),
        (
            "a_lost_reply_is_repeated_with_the_same_bytes_while_the_key_lasts",
            a_lost_reply_is_repeated_with_the_same_bytes_while_the_key_lasts,
        ),
        (
            "the_key_of_a_lost_send_runs_out",
            the_key_of_a_lost_send_runs_out,
        ),
        (
            "the_same_day_ends_five_minutes_before_midnight_in_shanghai",
            the_same_day_ends_five_minutes_before_midnight_in_shanghai,
        ),
        (
            "what_never_left_is_sent_in_the_next_round",
            what_never_left_is_sent_in_the_next_round,
        ),
        (
            "a_refusal_stops_no_other_delivery",
            a_refusal_stops_no_other_delivery,
        ),
        (
            "a_runner_that_dies_with_a_delivery_leaves_it_unknown_and_never_pending",
            a_runner_that_dies_with_a_delivery_leaves_it_unknown_and_never_pending,
        ),
        (
            "what_another_runner_has_tried_since_it_was_seen_is_not_claimed",
            what_another_runner_has_tried_since_it_was_seen_is_not_claimed,
        ),
        (
            "two_runners_that_find_the_same_instant_admit_it_once",
            two_runners_that_find_the_same_instant_admit_it_once,
        ),
        (
            "what_is_cancelled_is_not_sent",
            what_is_cancelled_is_not_sent,
        ),
        (
            "what_is_held_is_left_by_a_word_alone_and_ends_once_more",
            what_is_held_is_left_by_a_word_alone_and_ends_once_more,
        ),
        (
            "what_is_sent_again_and_lost_again_is_held_again",
            what_is_sent_again_and_lost_again_is_held_again,
        ),
        (
            "who_hears_of_problems_is_told_once_an_occurrence_and_of_nothing_else",
            who_hears_of_problems_is_told_once_an_occurrence_and_of_nothing_else,
        ),
        (
            "what_does_not_leave_in_time_is_missed",
            what_does_not_leave_in_time_is_missed,
        ),
        (
            "a_clock_that_jumps_back_fires_nothing_twice",
            a_clock_that_jumps_back_fires_nothing_twice,
        ),
        (
            "what_stands_for_a_time_is_taken_back_after_it",
            what_stands_for_a_time_is_taken_back_after_it,
        ),
        (
            "a_recall_is_repeated_only_where_the_vendor_lets_it_be",
            a_recall_is_repeated_only_where_the_vendor_lets_it_be,
        ),
        (
            "a_recall_that_stays_unknown_is_asked_for_less_and_less_often_and_for_a_day",
            a_recall_that_stays_unknown_is_asked_for_less_and_less_often_and_for_a_day,
        ),
        (
            "what_cannot_be_taken_back_says_why",
            what_cannot_be_taken_back_says_why,
        ),
        (
            "what_has_no_room_in_a_quota_waits_for_the_next_period",
            what_has_no_room_in_a_quota_waits_for_the_next_period,
        ),
        (
            "what_would_wait_for_too_long_is_refused_in_words",
            what_would_wait_for_too_long_is_refused_in_words,
        ),
        (
            "what_a_vendor_would_drop_is_not_sent_and_says_so",
            what_a_vendor_would_drop_is_not_sent_and_says_so,
        ),
        (
            "somebody_who_gets_nothing_makes_the_rest_no_less",
            somebody_who_gets_nothing_makes_the_rest_no_less,
        ),
        (
            "what_may_be_sent_once_more_is_sent_once_more_and_then_held",
            what_may_be_sent_once_more_is_sent_once_more_and_then_held,
        ),
        (
            "what_cannot_be_composed_yet_is_tried_a_few_times_until_it_is_too_late",
            what_cannot_be_composed_yet_is_tried_a_few_times_until_it_is_too_late,
        ),
        (
            "what_may_have_been_sent_is_not_tried_any_more_once_it_is_too_late",
            what_may_have_been_sent_is_not_tried_any_more_once_it_is_too_late,
        ),
        (
            "a_restart_and_another_runner_wait_as_long",
            a_restart_and_another_runner_wait_as_long,
        ),
    ];
    let written = include_str!("runner.rs").matches("\n#[tokio::test]\n");
    assert_eq!(ALL.len(), written.count(), "each of them");
    if Schema::new().is_none() {
        return;
    }
    std::thread::scope(|scope| {
        for part in ALL.chunks(ALL.len().div_ceil(4)) {
            scope.spawn(move || {
                for (name, test) in part {
                    eprintln!("{name}");
                    SERVER.set(Schema::new());
                    test();
                    SERVER.set(None);
                }
            });
        }
    });
}

/// A notice whose image cannot be uploaded before a time.
struct Pictured {
    inner: Hourly,
    until: Timestamp,
    asked: Arc<Mutex<Vec<Timestamp>>>,
    now: Arc<Mutex<Timestamp>>,
}

impl Notice for Pictured {
    fn address(&self) -> &Address {
        self.inner.address()
    }

    fn revision(&self) -> &str {
        self.inner.revision()
    }

    fn applied_at(&self) -> Timestamp {
        self.inner.applied_at()
    }

    fn late(&self) -> SignedDuration {
        self.inner.late()
    }

    fn firings(&self, from: Timestamp, until: Timestamp) -> Vec<Firing> {
        self.inner.firings(from, until)
    }

    fn nothing_before(&self, after: Timestamp) -> Option<Timestamp> {
        self.inner.nothing_before(after)
    }

    fn compose(&self, firing: &Firing) -> Result<Vec<NewDelivery>, Uncomposed> {
        let now = *self.now.lock().unwrap();
        self.asked.lock().unwrap().push(now);
        match now < self.until {
            true => Err(Uncomposed::Later("no picture yet".to_owned())),
            false => self.inner.compose(firing),
        }
    }

    fn obstacle(&self) -> Option<String> {
        (*self.now.lock().unwrap() < self.until).then(|| "no picture yet".to_owned())
    }
}

/// What becomes of such a notice, and how often it was tried, when somebody looks every five seconds until
/// 11:00.
async fn pictured(until: &str) -> (Vec<String>, usize) {
    let mut world = world(1, Repeat::Never, &[]);
    let (asked, now) = (Arc::default(), Arc::new(Mutex::new(at("09:59"))));
    world.notices = vec![Arc::new(Pictured {
        inner: Hourly {
            address: "recurring_notice.hourly".parse().unwrap(),
            applied_at: at("09:30"),
            parts: 1,
            repeat: Repeat::Never,
            revoke_after: None,
            late: LATE,
        },
        until: at(until),
        asked: Arc::clone(&asked),
        now: Arc::clone(&now),
    })];
    let vendor: Arc<dyn Channel> = world.vendor.clone();
    let channels: Channels = BTreeMap::from([(Name::new("feishu").unwrap(), vendor)]);
    let handled = world.books.handled().await.unwrap();
    let mut roster = Roster::new(world.notices.clone(), &handled);
    let mut time = at("09:59");
    while time < at("11:00") {
        *now.lock().unwrap() = time;
        let context = Context {
            outbox: world.books.as_ref(),
            channels: &channels,
            runner: "one",
            stop: &Stop::default(),
            now: &|| time,
            tell: &|_| {},
        };
        let done = round(&context, &mut roster).await.unwrap();
        assert!(
            roster.first().is_none_or(|next| next > time),
            "it would spin"
        );
        assert!(done.waiting.iter().all(|waiting| waiting.again > time));
        time += SignedDuration::from_secs(5);
    }
    let tries = asked.lock().unwrap().len();
    (world.told().await, tries)
}

#[tokio::test]
async fn what_cannot_be_composed_yet_is_tried_a_few_times_until_it_is_too_late() {
    let (told, tries) = pictured("10:04").await;
    assert_eq!(told, ["01 10:00 x1 sent ()"]);
    assert!((4..=8).contains(&tries), "{tries}");
    let (told, tries) = pictured("12:00").await;
    assert_eq!(told, ["01 10:00 x1 missed (too late; no picture yet)"]);
    assert!((5..=10).contains(&tries), "{tries}");
}

#[tokio::test]
async fn what_may_have_been_sent_is_not_tried_any_more_once_it_is_too_late() {
    let script = [Does::LosesTheReply; 20];
    let world = world(1, Repeat::Always, &script);
    for minute in ["10:00", "10:15", "10:16", "10:17"] {
        world.tick(at(minute)).await;
    }
    assert_eq!(
        world.told().await,
        ["01 10:00 x1 held (send: unknown outcome: time-out)"]
    );
    assert_eq!(world.vendor.arrived().len(), 2);
}

#[tokio::test]
async fn a_restart_and_another_runner_wait_as_long() {
    let script = [Does::LosesTheReply; 40];
    let world = world(1, Repeat::Always, &script);
    // Each tick of these is a runner that has just begun.
    let mut now = at("10:00");
    let mut tried = Vec::new();
    while now <= at("10:16") {
        let before = world.vendor.arrived().len();
        let round = world.tick(now).await;
        let second = now.duration_since(at("10:00")).as_secs();
        if world.vendor.arrived().len() > before {
            tried.push(second);
        }
        let again = round.tries.values().next();
        assert!(again.is_none_or(|again| *again > now && Some(*again) == round.wakes));
        now += SignedDuration::from_secs(5);
    }
    assert_eq!(tried, [0, 10, 30, 70, 150, 310, 630, 890]);
}
