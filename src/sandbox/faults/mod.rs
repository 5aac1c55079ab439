//! Faults: what goes wrong between a client and the vendor, switched on at will and repeatable.
//!
//! See [`Fault`] for the words. Faults and their counters belong to the running server, not to the
//! world: a second process on the same world has its own.

mod board;
mod parse;

use std::fmt;

pub(super) use board::{Board, Instead, Trouble};

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
/// on), a list of these, or `*`, which is the default; `token-expiry` meets only the first unless
/// told.
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
/// | `code` | no effect, refused with that code of the vendor | `code`, for DingTalk's newer host a word; `status`, 400 |
/// | `html` | a page in place of JSON | `status`, 502; `when`, before |
/// | `truncated` | a complete HTTP answer with half a JSON text | `when`, after |
/// | `slow` | the call takes longer | `ms`, 3000; `when`, after |
/// | `hold-before` | waits before the effect; no effect if the client goes away meanwhile | |
/// | `hold-after` | waits after the effect, before the answer | |
/// | `token-expiry` | the token of the call has expired, and stays so | |
/// | `unreadable` | the tasklist cannot be read or written, 1470403; with `tasklist` it is absent from their list too | |
/// | `read-lag` | reads do not show the writes of the last while | `ms`, 2000 |
///
/// Keys of all kinds: `p`, a chance from 0 to 1 by the sandbox's seed, for each of the calls that
/// `CALLS` picks; `tasklist`, a guid, for calls on that tasklist alone. `when` is `before` or
/// `after` the effect. A `slow` call takes effect even when its client has given up.
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

/// Calls from the first to the last of these numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    first: u64,
    last: u64,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    LostReply,
    CutOff,
    Refuse { status: Option<u16> },
    ServerError { status: u16, when: When },
    Throttle { reset: Option<String> },
    Quota,
    Code { code: String, status: u16 },
    Html { status: u16, when: When },
    Truncated { when: When },
    Slow { ms: u64, when: When },
    Hold { when: When },
    TokenExpiry,
    Unreadable,
    ReadLag { ms: i64 },
}

/// On which side of the effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
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
    #[error("{0:?} counts no calls; write 2, 1-3, 4- or *")]
    BadCalls(String),
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
