//! Which faults are on, and what they do to a call.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::chance::Draw;
use super::{Bend, Deed, Fault, Kind, Spoil, When};
use crate::sandbox::vendor::{Endpoint, Handler, Route};

/// An answer that does not come from an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sandbox) enum Instead {
    /// Not one byte.
    Silence,
    ServerError(u16),
    Throttle {
        reset: Option<String>,
    },
    Quota,
    /// The vendor's own refusal.
    Code {
        code: String,
        status: u16,
    },
    Html(u16),
    Empty(u16),
    /// So many bytes of nothing.
    Enormous(u64),
    /// Half of the body, and then silence on an open connection.
    Stalled,
    /// Half of what would have been answered.
    Half,
    /// The same, and the connection breaks where it ends.
    CutOff,
}

/// All that goes wrong with one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::sandbox) struct Trouble {
    /// Texts of the faults that met the call.
    pub(in crate::sandbox) faults: Vec<String>,
    pub(in crate::sandbox) hold_before: bool,
    pub(in crate::sandbox) hold_after: bool,
    pub(in crate::sandbox) delay_before_ms: u64,
    pub(in crate::sandbox) delay_after_ms: u64,
    /// Answered without any effect.
    pub(in crate::sandbox) before: Option<Instead>,
    /// Answered in place of the endpoint's own answer.
    pub(in crate::sandbox) after: Option<Instead>,
    pub(in crate::sandbox) expire_token: bool,
    pub(in crate::sandbox) lag_ms: Option<i64>,
    pub(in crate::sandbox) hidden: Vec<String>,
    /// How the answer is bent, each with the chance that it is bent by.
    pub(in crate::sandbox) bends: Vec<(Bend, Draw)>,
    pub(in crate::sandbox) skew: Option<Skew>,
    pub(in crate::sandbox) deeds_before: Vec<Deed>,
    pub(in crate::sandbox) deeds_after: Vec<Deed>,
    pub(in crate::sandbox) spoil: Option<Spoil>,
}

/// How far the vendor's clock is off, and how far it lets ours be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Skew {
    pub(in crate::sandbox) seconds: i64,
    pub(in crate::sandbox) tolerance: i64,
}

/// The faults that are on, with what each has counted.
#[derive(Debug)]
pub(in crate::sandbox) struct Board {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    faults: Vec<Counted>,
    seed: u64,
    /// How many faults there ever were, so that each has a number of its own.
    numbered: u64,
}

/// A fault with the calls that it could have met.
#[derive(Debug)]
struct Counted {
    fault: Fault,
    number: u64,
    all: u64,
    /// The same by operation, which no other operation's calls can shift.
    each: BTreeMap<&'static str, u64>,
}

impl State {
    fn add(&mut self, faults: Vec<Fault>) {
        for fault in faults {
            self.numbered += 1;
            self.faults.push(Counted {
                fault,
                number: self.numbered,
                all: 0,
                each: BTreeMap::new(),
            });
        }
    }
}

impl Board {
    pub(in crate::sandbox) fn new(faults: Vec<Fault>, seed: u64) -> Board {
        let mut state = State {
            faults: Vec::new(),
            seed,
            numbered: 0,
        };
        state.add(faults);
        Board {
            state: Mutex::new(state),
        }
    }

    /// Switches more faults on; with a seed the chances begin anew from there.
    pub(in crate::sandbox) fn add(&self, faults: Vec<Fault>, seed: Option<u64>) {
        let mut state = self.locked();
        if let Some(seed) = seed {
            state.seed = seed;
            state.numbered = 0;
        }
        state.add(faults);
    }

    pub(in crate::sandbox) fn clear(&self) {
        let mut state = self.locked();
        state.faults.clear();
        state.numbered = 0;
    }

    /// Each fault's text and the calls that it has counted.
    pub(in crate::sandbox) fn list(&self) -> Vec<(String, u64)> {
        let state = self.locked();
        let row = |counted: &Counted| (counted.fault.text.clone(), counted.all);
        state.faults.iter().map(row).collect()
    }

    /// Counts a call with every fault that could meet it, and says what goes wrong.
    /// Delays add up; of several answers the fault that stands first gives it.
    pub(in crate::sandbox) fn meet(&self, route: &Route) -> Trouble {
        let mut state = self.locked();
        let State { faults, seed, .. } = &mut *state;
        let mut trouble = Trouble::default();
        for counted in faults {
            if !counted.fault.could_meet(route) {
                continue;
            }
            let operation = route.endpoint.operation;
            counted.all += 1;
            let own = counted.each.entry(operation).or_default();
            *own += 1;
            let fault = &counted.fault;
            let draw = Draw::of(*seed, counted.number, operation, *own);
            if fault.calls.iter().any(|span| span.picks(counted.all))
                && fault.chance.is_none_or(|chance| draw.share() < chance)
            {
                fault.strike(route, draw, &mut trouble);
            }
        }
        trouble
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn could_meet(&self, route: &Route) -> bool {
        let operation = route.endpoint.operation;
        if self.operation.is_some_and(|wanted| wanted != operation) {
            return false;
        }
        if !self.kind.suits(route.endpoint) {
            return false;
        }
        match &self.tasklist {
            None => true,
            // A tasklist that cannot be read is not in the list either.
            Some(_) if operation == "listTasklists" => self.kind == Kind::Unreadable,
            Some(guid) => route.value("tasklist_guid") == Some(guid),
        }
    }

    fn strike(&self, route: &Route, draw: Draw, trouble: &mut Trouble) {
        trouble.faults.push(self.text.clone());
        let mut answer = |when, instead| {
            let place = match when {
                When::Before => &mut trouble.before,
                When::After => &mut trouble.after,
            };
            place.get_or_insert(instead);
        };
        match &self.kind {
            Kind::LostReply => answer(When::After, Instead::Silence),
            Kind::CutOff => answer(When::After, Instead::CutOff),
            Kind::Refuse { status } => answer(
                When::Before,
                status.map_or(Instead::Silence, Instead::ServerError),
            ),
            Kind::ServerError { status, when } => answer(*when, Instead::ServerError(*status)),
            Kind::Throttle { reset } => answer(
                When::Before,
                Instead::Throttle {
                    reset: reset.clone(),
                },
            ),
            Kind::Quota => answer(When::Before, Instead::Quota),
            Kind::Code { code, status, when } => answer(
                *when,
                Instead::Code {
                    code: code.clone(),
                    status: *status,
                },
            ),
            Kind::Html { status, when } => answer(*when, Instead::Html(*status)),
            Kind::Truncated { when } => answer(*when, Instead::Half),
            Kind::Empty { status, when } => answer(*when, Instead::Empty(*status)),
            Kind::Enormous { bytes, when } => answer(*when, Instead::Enormous(*bytes)),
            Kind::Stalled { when } => answer(*when, Instead::Stalled),
            Kind::Slow { ms, when } => match when {
                When::Before => trouble.delay_before_ms += ms,
                When::After => trouble.delay_after_ms += ms,
            },
            Kind::Hold { when } => match when {
                When::Before => trouble.hold_before = true,
                When::After => trouble.hold_after = true,
            },
            Kind::TokenExpiry => trouble.expire_token = true,
            Kind::Unreadable => trouble.hidden.extend(
                self.tasklist
                    .clone()
                    .or_else(|| route.value("tasklist_guid").map(str::to_owned)),
            ),
            Kind::ReadLag { ms } => {
                trouble.lag_ms = Some(trouble.lag_ms.unwrap_or(0).max(*ms));
            }
            Kind::Bend(bend) => trouble.bends.push((*bend, draw)),
            Kind::Skew(skew) => trouble.skew = trouble.skew.or(Some(*skew)),
            Kind::Deed { deed, when } => match when {
                When::Before => trouble.deeds_before.push(deed.clone()),
                When::After => trouble.deeds_after.push(deed.clone()),
            },
            Kind::Spoil(spoil) => trouble.spoil = trouble.spoil.or(Some(*spoil)),
        }
    }
}

impl Kind {
    /// Whether a call of that endpoint has what the fault does something to.
    pub(super) fn suits(&self, endpoint: &Endpoint) -> bool {
        let names = |segment: &str| endpoint.path.contains(segment);
        match self {
            Kind::Deed { deed, .. } => match deed {
                Deed::Edit { .. } | Deed::Delete => {
                    names("{tasklist_guid}") || names("{chat_id}") || names("{group_id}")
                }
                Deed::Revoke => {
                    let at_enos = matches!(endpoint.handler, Handler::Enos(_));
                    names("{tasklist_guid}") || at_enos && endpoint.path.starts_with("/app-portal")
                }
                Deed::RemoveBot { chat } => chat.is_some() || names("{chat_id}"),
            },
            Kind::Spoil(_) => SENDS.contains(&endpoint.operation),
            _ => true,
        }
    }
}

/// Operations that send to people.
const SENDS: [&str; 6] = [
    "batchSendMessage",
    "createMessage",
    "dingtalk.sendWorkNotification",
    "dingtalk.sendRobotGroupMessage",
    "dingtalk.sendChatLegacy",
    "enos.produceNoticeMessages",
];
