//! What goes wrong in a scenario.

use super::dice::Dice;

/// What befalls one run of beadle.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    None,
    /// Faults of the sandbox.
    Faults(Vec<String>),
    /// It dies at that crash point.
    Crash(usize),
    /// It is killed while the vendor has that call.
    Kill(String),
}

const WRITES: [&str; 9] = [
    "createTasklistActivitySubscription",
    "patchTasklistActivitySubscription",
    "deleteTasklistActivitySubscription",
    "createChat",
    "updateChat",
    "addChatMembers",
    "removeChatMembers",
    "createUserGroup",
    "batchAddUserGroupMembers",
];
const READS: [&str; 5] = [
    "listTasklistActivitySubscriptions",
    "getChat",
    "listChatMembers",
    "getUserGroup",
    "isInChat",
];
const SENDS: [&str; 3] = [
    "batchSendMessage",
    "createMessage",
    "dingtalk.sendWorkNotification",
];
/// What can befall a write, before or after its effect.
const OF_A_WRITE: [(&str, &str); 13] = [
    ("lost-reply", ""),
    ("cut-off", ""),
    ("refuse", ""),
    ("5xx", ",status=503"),
    ("5xx-after", ""),
    ("html", ",when=after,status=200"),
    ("html", ""),
    ("truncated", ""),
    ("empty", ""),
    ("429", ",reset=none"),
    ("429", ",reset=soon"),
    ("token-expiry", ""),
    ("nulls", ""),
];
/// What can befall a list.
const OF_A_READ: [(&str, &str); 9] = [
    ("5xx", ""),
    ("truncated", ""),
    ("empty", ""),
    ("html", ""),
    ("reordered", ""),
    ("duplicated", ""),
    ("nulls", ""),
    ("cut-off", ""),
    ("unknown-values", ""),
];
/// What can befall any call.
const OF_ANY: [&str; 8] = [
    "5xx@*,p=0.15",
    "429@*,p=0.15,reset=none",
    "lost-reply@*,p=0.1",
    "token-expiry@*:3,6",
    "reordered@*",
    "clock-skew@*,seconds=-86400",
    "quota@*:6-",
    "5xx@*:2-/2",
];

impl Trouble {
    /// Of an apply.
    pub(super) fn of_apply(dice: &mut Dice) -> Trouble {
        match dice.below(10) {
            0 => Trouble::None,
            1..=3 => Trouble::death(1 + dice.below(36)),
            4 => {
                let side = dice.pick(&["hold-before", "hold-after"]);
                Trouble::Kill(format!("{side}@{}:1", dice.pick(&WRITES)))
            }
            _ => {
                let mut faults = vec![Trouble::of_call(dice)];
                if dice.in_hundred(40) {
                    faults.push(Trouble::of_call(dice));
                }
                Trouble::Faults(faults)
            }
        }
    }

    /// At that crash point, or while a vendor has the call that comes about then.
    fn death(at: usize) -> Trouble {
        if cfg!(debug_assertions) {
            return Trouble::Crash(at);
        }
        // A write call has four crash points around it.
        let side = ["hold-before", "hold-after"][at % 2];
        Trouble::Kill(format!("{side}@*:{}", at.div_ceil(2)))
    }

    fn of_call(dice: &mut Dice) -> String {
        let (kind, keys, operation) = match dice.below(10) {
            0 | 1 => return dice.pick(&OF_ANY).to_owned(),
            2 => {
                return dice
                    .pick(&[
                        "edited@patchTasklistActivitySubscription",
                        "edited@listTasklistActivitySubscriptions:1,when=after,field=disabled",
                        "deleted@patchTasklistActivitySubscription",
                        "revoked@createTasklistActivitySubscription",
                        "revoked@listTasklistActivitySubscriptions:2",
                        "bot-removed@createTasklistActivitySubscription,chat=oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f",
                        "edited@updateChat",
                        "edited@addChatMembers",
                    ])
                    .to_owned();
            }
            3 | 4 => {
                let (kind, keys) = dice.pick(&OF_A_READ);
                (kind, keys, dice.pick(&READS))
            }
            _ => {
                let (kind, keys) = dice.pick(&OF_A_WRITE);
                (kind, keys, dice.pick(&WRITES))
            }
        };
        let calls = dice.pick(&["1", "1", "2", "1-2", "1-"]);
        format!("{kind}@{operation}:{calls}{keys}")
    }

    /// Of a tick.
    pub(super) fn of_tick(dice: &mut Dice) -> Trouble {
        let send = dice.pick(&SENDS);
        match dice.below(10) {
            0..=3 => Trouble::None,
            4 | 5 => {
                let side = dice.pick(&["hold-before", "hold-after"]);
                Trouble::Kill(format!("{side}@{send}:1"))
            }
            _ => {
                let (kind, keys) = dice.pick(&OF_A_WRITE);
                Trouble::Faults(vec![format!("{kind}@{send}:1{keys}")])
            }
        }
    }
}
