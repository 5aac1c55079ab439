//! Faults: what goes wrong between a client and the vendor, switched on at will and repeatable.
//!
//! See [`Fault`] for the words and [`Program`] for a file of them. Faults and their counters belong to
//! the running server, not to the world: a second process on the same world has its own.
//!
//! # Guarantees
//!
//! - Whether a call is met depends on the program, its seed, the operation, and the number of that call
//!   among those of its operation, or among all where `CALLS` counts under `*`; never on the time.

mod bend;
mod board;
mod chance;
mod deed;
mod parse;
mod program;

use std::fmt;

pub(super) use bend::Bend;
pub(super) use board::{Board, Instead, Skew, Trouble};
pub use program::{Program, ProgramError};

/// Something that goes wrong with certain calls.
///
/// It is written `KIND@OPERATION[:CALLS][,KEY=VALUE]…`:
///
/// ```
/// # use beadle::sandbox::Fault;
/// # fn main() -> Result<(), beadle::sandbox::FaultParseError> {
/// let reply_lost: Fault = "lost-reply@createTasklistActivitySubscription:2".parse()?;
/// let storm: Fault = "429@*:1-5,8,reset=2".parse()?;
/// let flaky: Fault = "5xx@*,p=0.2,status=503".parse()?;
/// # Ok(()) }
/// ```
///
/// `OPERATION` is the contract's operationId, for DingTalk and EnOS behind the vendor's name and a
/// dot (`dingtalk.getUser`), or `*` for every one, the token's among them.
/// `CALLS` counts the calls that the fault could meet, from 1: `2`, `1-3`, `4-` (from the fourth
/// on), `1-9/2` and `1-/2` (every second of them, a flap), a list of these, or `*`, which is the
/// default. What changes the world (`token-expiry`, `edited`, `deleted`, `revoked`, `bot-removed`)
/// meets only the first unless told.
///
/// | kind | what happens | keys |
/// |---|---|---|
/// | `lost-reply` | the effect happens, the connection closes without a byte | |
/// | `cut-off` | the effect happens, the connection closes in the middle of the body | |
/// | `refuse` | no effect, the connection closes without a byte | `status`: answer this instead |
/// | `5xx` | no effect, a server error | `status`, 500 |
/// | `5xx-after` | the effect happens, a server error is answered | `status`, 500 |
/// | `429` | no effect, throttled | `reset`: any text, or `none`; 1 |
/// | `quota` | no effect, the monthly quota is used up | |
/// | `code` | refused with that code of the vendor; with `status=200` a failure that looks like a success | `code`, for DingTalk's newer host a word; `status`, 400; `when`, before |
/// | `html` | a page in place of JSON | `status`, 502; `when`, before |
/// | `truncated` | a complete HTTP answer with half a JSON text | `when`, after |
/// | `empty` | a complete HTTP answer without a body | `status`, 200; `when`, after |
/// | `enormous` | a body that does not end soon | `bytes`, 67108864; `when`, after |
/// | `stalled` | half of the body, and not a byte more until held calls are released | `when`, after |
/// | `slow` | the call takes longer | `ms`, 3000; `when`, after |
/// | `hold-before` | waits before the effect; no effect if the client goes away meanwhile | |
/// | `hold-after` | waits after the effect, before the answer | |
/// | `token-expiry` | the token of the call has expired, and stays so; of a call that gives one, the token that it gives | |
/// | `unreadable` | the tasklist cannot be read or written, 1470403; with `tasklist` it is absent from their list too | |
/// | `read-lag` | reads do not show the writes of the last while | `ms`, 2000 |
/// | `reordered` | every list of the answer stands in another order, by the seed | |
/// | `duplicated` | every list of objects in the answer has each of them twice | |
/// | `nulls` | what is empty in the answer is null: lists, objects, texts | |
/// | `unknown-values` | words, numbers and fields that no page of the vendor has | |
/// | `clock-skew` | the vendor's clock is off: the `Date` of the answer, and EnOS refuses what was signed too far from it | `seconds`, 3600; `tolerance`, 300 |
/// | `edited` | somebody edits the object of the call, or the first subscription of its tasklist | `field`, name; `when`, before |
/// | `deleted` | somebody deletes it | `when`, before |
/// | `revoked` | the app loses its place in the tasklist of the call, or in the OU of EnOS | `when`, before |
/// | `bot-removed` | the app's bot is taken out of the chat of the call | `chat`, another chat; `when`, before |
/// | `partial` | a send is accepted, and every second person never gets it | |
/// | `stuck` | a send is accepted, and never done | |
/// | `over-quota` | a send is accepted, and dropped for everybody | |
///
/// Keys of all kinds: `p`, a chance from 0 to 1 by the sandbox's seed, for each of the calls that
/// `CALLS` picks; `tasklist`, a guid, for calls on that tasklist alone. `when` is `before` or
/// `after` the effect. A `slow` call takes effect even when its client has given up. What somebody
/// does in the middle of a call is no call: it is in no log, and stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    text: String,
    kind: Kind,
    /// Nothing for every operation.
    operation: Option<&'static str>,
    calls: Vec<Span>,
    chance: Option<f64>,
    tasklist: Option<String>,
}

/// Calls from the first to the last of these numbers, so many apart.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    first: u64,
    last: u64,
    step: u64,
}

impl Span {
    fn picks(self, call: u64) -> bool {
        (self.first..=self.last).contains(&call) && (call - self.first).is_multiple_of(self.step)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    LostReply,
    CutOff,
    Refuse {
        status: Option<u16>,
    },
    ServerError {
        status: u16,
        when: When,
    },
    Throttle {
        reset: Option<String>,
    },
    Quota,
    Code {
        code: String,
        status: u16,
        when: When,
    },
    Html {
        status: u16,
        when: When,
    },
    Truncated {
        when: When,
    },
    Empty {
        status: u16,
        when: When,
    },
    Enormous {
        bytes: u64,
        when: When,
    },
    Stalled {
        when: When,
    },
    Slow {
        ms: u64,
        when: When,
    },
    Hold {
        when: When,
    },
    TokenExpiry,
    Unreadable,
    ReadLag {
        ms: i64,
    },
    Bend(Bend),
    Skew(Skew),
    Deed {
        deed: Deed,
        when: When,
    },
    Spoil(Spoil),
}

/// On which side of the effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// What somebody does while a call is on its way.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sandbox) enum Deed {
    /// Edits that field of the object.
    Edit {
        field: String,
    },
    Delete,
    Revoke,
    /// Takes the bot out of that chat, or of the call's.
    RemoveBot {
        chat: Option<String>,
    },
}

/// What becomes of a send that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Spoil {
    Partial,
    Stuck,
    OverQuota,
}

/// A text that is no [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultParseError {
    /// There is no `@`.
    #[error("expected KIND@OPERATION, as in lost-reply@createTasklistActivitySubscription:1")]
    NoOperation,
    /// No such kind.
    #[error("unknown fault {0:?}; known are {kinds}", kinds = parse::kind_names())]
    UnknownKind(String),
    /// No such operation.
    #[error("unknown operation {0:?}; known are * and {operations}", operations = parse::operation_names())]
    UnknownOperation(String),
    /// Not a count of calls.
    #[error("{0:?} counts no calls; write 2, 1-3, 4-, 1-/2 or *")]
    BadCalls(String),
    /// The operation has nothing that the fault could do something to.
    #[error("{kind} has nothing to do at {operation}")]
    Misplaced {
        /// The kind of fault.
        kind: String,
        /// The operation.
        operation: String,
    },
    /// A key that this kind does not have.
    #[error("{kind} has no key {key:?}")]
    UnknownKey {
        /// The kind of fault.
        kind: String,
        /// The key.
        key: String,
    },
    /// A value that does not fit its key.
    #[error("{value:?} is no value for {key}")]
    BadValue {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
