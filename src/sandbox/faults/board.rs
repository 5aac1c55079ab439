//! Which faults are on, and what they do to a call.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Fault, Kind, When};
use crate::sandbox::vendor::Route;

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
}

/// The faults that are on, with what each has counted.
#[derive(Debug)]
pub(in crate::sandbox) struct Board {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    faults: Vec<(Fault, u64)>,
    random: u64,
}

impl Board {
    pub(in crate::sandbox) fn new(faults: Vec<Fault>, seed: u64) -> Board {
        Board {
            state: Mutex::new(State {
                faults: faults.into_iter().map(|fault| (fault, 0)).collect(),
                random: seed,
            }),
        }
    }

    pub(in crate::sandbox) fn add(&self, faults: Vec<Fault>) {
        let counted = faults.into_iter().map(|fault| (fault, 0));
        self.locked().faults.extend(counted);
    }

    pub(in crate::sandbox) fn clear(&self) {
        self.locked().faults.clear();
    }

    /// Each fault's text and the calls that it has counted.
    pub(in crate::sandbox) fn list(&self) -> Vec<(String, u64)> {
        let state = self.locked();
        state
            .faults
            .iter()
            .map(|(fault, counted)| (fault.text.clone(), *counted))
            .collect()
    }

    /// Counts a call with every fault that could meet it, and says what goes wrong.
    /// Delays add up; of several answers the fault that stands first gives it.
    pub(in crate::sandbox) fn meet(&self, route: &Route) -> Trouble {
        let mut state = self.locked();
        let State { faults, random } = &mut *state;
        let mut trouble = Trouble::default();
        for (fault, counted) in faults {
            if !fault.could_meet(route) {
                continue;
            }
            *counted += 1;
            let picked = fault
                .calls
                .iter()
                .any(|span| (span.first..=span.last).contains(counted));
            if picked && fault.chance.is_none_or(|chance| draw(random) < chance) {
                fault.strike(route, &mut trouble);
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
        match &self.tasklist {
            None => true,
            // A tasklist that cannot be read is not in the list either.
            Some(_) if operation == "listTasklists" => self.kind == Kind::Unreadable,
            Some(guid) => route.value("tasklist_guid") == Some(guid),
        }
    }

    fn strike(&self, route: &Route, trouble: &mut Trouble) {
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
            Kind::Code { code, status } => answer(
                When::Before,
                Instead::Code {
                    code: code.clone(),
                    status: *status,
                },
            ),
            Kind::Html { status, when } => answer(*when, Instead::Html(*status)),
            Kind::Truncated { when } => answer(*when, Instead::Half),
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
        }
    }
}

/// The next number of the SplitMix64 sequence, from 0 up to 1.
fn draw(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}
