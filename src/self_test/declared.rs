//! What a scenario declares, and how it changes its mind.

use std::collections::{BTreeMap, BTreeSet};

use super::dice::Dice;

/// The tasklists of every scenario: key and guid.
pub const TASKLISTS: [(&str, &str); 2] = [
    ("release", "d300a75f-c56a-4be9-80d1-e47653028ceb"),
    ("board", "0b4f1b0e-6d3e-4a55-9a4a-3f0b8d5e7c11"),
];
/// The chats that are there already: key and id.
pub const FIXED_CHATS: [(&str, &str); 2] = [
    ("one", "oc_a0553eda9014c201e6969b478895c230"),
    ("two", "oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f"),
];
const EVENTS: [&str; 4] = ["task.added", "task.completed", "due.set", "comment.added"];
/// How many people can be listed. Others are never listed.
pub(super) const PEOPLE: usize = 4;

/// The manifest of a scenario.
#[derive(Clone, Debug)]
pub struct Declared {
    pub(super) subscriptions: BTreeMap<&'static str, Subscription>,
    /// Whether what nobody declared on the board goes, save `manual *`.
    pub(super) authoritative: bool,
    pub(super) room: Option<Kept>,
    pub(super) user_group: Option<Kept>,
    pub(super) people: BTreeSet<usize>,
    pub(super) notice: Option<Notice>,
    /// How many chats and user groups there have been: each has a name of its own.
    made: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Subscription {
    tasklists: Vec<&'static str>,
    subscribers: Vec<&'static str>,
    events: Vec<&'static str>,
    enabled: bool,
}

/// A chat or a contact user group that beadle keeps.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    number: usize,
    renamed: bool,
    /// Whether those go whom nobody listed.
    pub(super) removes: bool,
    pub(super) dissolves: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) version: usize,
    to: Vec<&'static str>,
}

impl Declared {
    /// Whether it has a subscription.
    #[must_use]
    pub fn subscribes(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// Whether it has a notice.
    #[must_use]
    pub fn sends(&self) -> bool {
        self.notice.is_some()
    }

    pub(super) fn first(dice: &mut Dice) -> Declared {
        let mut declared = Declared {
            subscriptions: BTreeMap::new(),
            authoritative: dice.in_hundred(30),
            room: None,
            user_group: None,
            people: (0..PEOPLE).filter(|_| dice.in_hundred(60)).collect(),
            notice: None,
            made: 0,
        };
        declared.people.insert(0);
        if dice.in_hundred(45) {
            declared.room = Some(declared.kept(dice));
        }
        if dice.in_hundred(35) {
            declared.user_group = Some(declared.kept(dice));
        }
        for name in ["ada", "bo", "cy"] {
            if dice.in_hundred(60) {
                let subscription = declared.subscription(dice);
                declared.subscriptions.insert(name, subscription);
            }
        }
        if dice.in_hundred(30) {
            let places = ["team", "one", "two"];
            declared.notice = Some(Notice {
                version: 1,
                to: dice.some(&places),
            });
        }
        declared
    }

    fn kept(&mut self, dice: &mut Dice) -> Kept {
        self.made += 1;
        Kept {
            number: self.made,
            renamed: false,
            removes: dice.in_hundred(40),
            dissolves: dice.in_hundred(50),
        }
    }

    fn places(&self) -> Vec<&'static str> {
        let room = self.room.as_ref().map(|_| "room");
        room.into_iter().chain(["one", "two"]).collect()
    }

    fn subscription(&self, dice: &mut Dice) -> Subscription {
        Subscription {
            tasklists: dice.some(&["release", "board"]),
            subscribers: dice.some(&self.places()),
            events: dice.some(&EVENTS),
            enabled: dice.in_hundred(85),
        }
    }

    /// One change of mind.
    pub(super) fn edit(&mut self, dice: &mut Dice) {
        match dice.below(10) {
            0..=3 => {
                let name = dice.pick(&["ada", "bo", "cy"]);
                let fresh = self.subscription(dice);
                match self.subscriptions.get_mut(name) {
                    None => {
                        self.subscriptions.insert(name, fresh);
                    }
                    Some(known) => match dice.below(5) {
                        0 => known.events = fresh.events,
                        1 => known.subscribers = fresh.subscribers,
                        2 => known.tasklists = fresh.tasklists,
                        3 => known.enabled = !known.enabled,
                        _ => {
                            self.subscriptions.remove(name);
                        }
                    },
                }
            }
            4 | 5 => {
                let who = 1 + dice.below(PEOPLE - 1);
                if !self.people.remove(&who) {
                    self.people.insert(who);
                }
            }
            6 => match self.room.take() {
                None => self.room = Some(self.kept(dice)),
                Some(room) if dice.in_hundred(60) => self.room = Some(room.changed(dice)),
                Some(_) => {
                    for subscription in self.subscriptions.values_mut() {
                        subscription.subscribers.retain(|place| *place != "room");
                        if subscription.subscribers.is_empty() {
                            subscription.subscribers.push("one");
                        }
                    }
                }
            },
            7 => match self.user_group.take() {
                None => self.user_group = Some(self.kept(dice)),
                Some(group) if dice.in_hundred(60) => self.user_group = Some(group.changed(dice)),
                Some(_) => {}
            },
            8 => self.authoritative = !self.authoritative,
            _ => {
                if let Some(notice) = &mut self.notice {
                    notice.version += 1;
                }
            }
        }
    }

    /// The manifest, for a sandbox at that address.
    pub(super) fn yaml(&self, base_url: &str) -> String {
        let mut text = format!(
            "version: 1
providers:
  feishu: {{ app_id: cli_sandbox, app_secret: \"${{env:WALK_SECRET}}\", base_url: \"{base_url}\" }}
  dingtalk: {{ app_key: cli_sandbox, app_secret: \"${{env:WALK_SECRET}}\", agent_id: 7, base_url: \"{base_url}\" }}
tasklists:
  release: {{ guid: {} }}
  board: {{ guid: {}{} }}
",
            TASKLISTS[0].1,
            TASKLISTS[1].1,
            if self.authoritative {
                ", authoritative: true, keep: [\"manual *\"]"
            } else {
                ""
            },
        );
        text += "chats:\n";
        for (key, id) in FIXED_CHATS {
            text += &format!("  {key}: {{ id: {id} }}\n");
        }
        if let Some(room) = &self.room {
            let end = if room.dissolves { "dissolve" } else { "keep" };
            text += &format!(
                "  room: {{ manage: {{ {}, members: [team], on_delete: {end} }} }}\n",
                room.words("Room")
            );
        }
        let list = |prefix: &str| {
            let ids = self.people.iter().map(|n| format!("{prefix}{n}"));
            ids.collect::<Vec<_>>().join(", ")
        };
        let user_group = self.user_group.as_ref().map_or_else(String::new, |group| {
            format!(", user_group: {{ {} }}", group.words("Crew"))
        });
        text += &format!(
            "recipient_groups:\n  team:\n    feishu: {{ users: [{}]{user_group} }}\n    dingtalk: {{ users: [{}] }}\n",
            list("ou_p"),
            list("p"),
        );
        if !self.subscriptions.is_empty() {
            text += "tasklist_subscriptions:\n";
        }
        for (name, subscription) in &self.subscriptions {
            let Subscription {
                tasklists,
                subscribers,
                events,
                enabled,
            } = subscription;
            text += &format!(
                "  {name}: {{ tasklists: [{}], subscribers: [{}], events: [{}], enabled: {enabled} }}\n",
                tasklists.join(", "),
                subscribers.join(", "),
                events.join(", "),
            );
        }
        if let Some(notice) = &self.notice {
            text += &format!(
                "recurring_notices:
  review:
    to: [{}]
    via: [feishu, dingtalk]
    schedule: {{ start: 2030-01-01, cron: \"0 10 * * *\", timezone: UTC }}
    message: {{ text: \"v{} of {{{{ scheduled | date('%m-%d') }}}}\" }}
",
                notice.to.join(", "),
                notice.version,
            );
        }
        text
    }
}

impl Kept {
    fn changed(mut self, dice: &mut Dice) -> Kept {
        if dice.in_hundred(50) {
            self.renamed = !self.renamed;
        } else {
            self.removes = !self.removes;
        }
        self
    }

    fn words(&self, kind: &str) -> String {
        let extra = if self.removes { "remove" } else { "keep" };
        let name = if self.renamed { "new" } else { "old" };
        format!(
            "name: \"{kind} {} {name}\", extra_members: {extra}",
            self.number
        )
    }
}
