//! Whom a notice reaches at each provider, and how many calls that takes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::model::group::{Recipient, Resolution};
use crate::model::manifest::Vendor;
use crate::model::message::{self, Message};
use crate::model::notice::{After, People, Target};
use crate::model::quota::{dingtalk, enos, feishu};
use crate::model::{ChatId, Name};

/// Whom a notice reaches, by provider.
pub type Audience<'a> = Vec<Reach<'a>>;

/// Whom a notice reaches at one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach<'a> {
    /// The provider's key.
    pub provider: &'a Name,
    /// Its vendor.
    pub vendor: Vendor,
    /// The chats.
    pub chats: BTreeSet<&'a ChatId>,
    /// People by an id that the vendor sends to.
    pub people: BTreeSet<&'a Recipient>,
    /// People by an e-mail address or a number, which only the vendor knows; each counts as one more.
    pub unresolved: BTreeSet<&'a Recipient>,
    /// Departments, however many people are in each.
    pub departments: BTreeSet<&'a Recipient>,
    /// Whether it goes to everyone there.
    pub everyone: bool,
    /// Why nothing can be sent there, if nothing can.
    pub obstacle: Option<String>,
}

/// How many calls something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Those that send.
    pub send: u64,
    /// Those that may follow, where they are counted against an allowance: that ask what became of it, as
    /// often as it is asked at most, and that take it back.
    pub follow: u64,
}

impl<'a> Reach<'a> {
    fn new(provider: &'a Name, vendor: Vendor) -> Self {
        Self {
            provider,
            vendor,
            chats: BTreeSet::new(),
            people: BTreeSet::new(),
            unresolved: BTreeSet::new(),
            departments: BTreeSet::new(),
            everyone: false,
            obstacle: None,
        }
    }

    /// How many people are named.
    #[must_use]
    pub fn named(&self) -> usize {
        self.people.len() + self.unresolved.len()
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chats.is_empty() && !self.has_people()
    }

    /// Whether anybody but a chat is there.
    #[must_use]
    pub fn has_people(&self) -> bool {
        self.named() > 0 || !self.departments.is_empty() || self.everyone
    }

    /// The calls of one firing, as the vendor's client cuts them.
    #[must_use]
    pub fn calls(&self, message: &Message, after: &After) -> Calls {
        if self.obstacle.is_some() {
            return Calls::default();
        }
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let chats = count(self.chats.len());
        match self.vendor {
            Vendor::Feishu => {
                let of = |kind: fn(&Recipient) -> bool| {
                    self.people.iter().filter(|one| kind(one)).count()
                };
                if after.people.0 == People::Messages {
                    let batch = self.departments.len().div_ceil(feishu::IDS_A_CALL);
                    return Calls {
                        send: chats + count(self.named() + batch),
                        follow: 0,
                    };
                }
                // Whoever is looked up is sent to by open id.
                let open = of(|one| matches!(one, Recipient::OpenId(_))) + self.unresolved.len();
                let user = of(|one| matches!(one, Recipient::UserId(_)));
                let union = of(|one| matches!(one, Recipient::UnionId(_)));
                let most = [open, user, union, self.departments.len()];
                let batches = most.map(|ids| ids.div_ceil(feishu::IDS_A_CALL));
                Calls {
                    send: chats + batches.into_iter().max().map_or(0, count),
                    follow: 0,
                }
            }
            Vendor::DingTalk => {
                let people_a_call = match has_status(message) {
                    true => dingtalk::PEOPLE_OF_STATUS,
                    false => dingtalk::PEOPLE_A_CALL,
                };
                let to_people = count(self.named().div_ceil(people_a_call));
                let departments = self.departments.len();
                let to_many = count(departments.div_ceil(dingtalk::DEPARTMENTS_A_CALL));
                let notices = match self.everyone {
                    true => (0, 1),
                    false => (to_people, to_many),
                };
                let all = notices.0 + notices.1;
                let questions = after.track.as_ref();
                let questions = questions.map_or(0, |(track, _)| dingtalk::questions(track.lasts));
                let recalls = if after.revoke_after.is_some() { all } else { 0 };
                Calls {
                    send: chats + all,
                    // Of named people progress and result are asked for, of others the progress alone.
                    follow: questions * (2 * notices.0 + notices.1) + recalls,
                }
            }
            Vendor::Enos => {
                let notices = self.named().div_ceil(enos::USERS_A_NOTICE);
                let send = match self.everyone {
                    true => 1,
                    false => count(notices.div_ceil(enos::NOTICES_A_CALL)),
                };
                Calls { send, follow: 0 }
            }
        }
    }

    /// The kinds of receiver that a message is rendered for.
    pub fn kinds(&self) -> impl Iterator<Item = message::Target> {
        let chats = (!self.chats.is_empty()).then_some(message::Target::Chat);
        let people = self.has_people().then_some(message::Target::People);
        chats.into_iter().chain(people)
    }
}

fn has_status(message: &Message) -> bool {
    let own = message.dingtalk.as_ref().filter(|own| own.kind == "oa");
    own.is_some_and(|own| match &own.content.value {
        message::PartValue::Map(pairs) => pairs.iter().any(|(key, _)| key == "status_bar"),
        message::PartValue::Plain(value) => value.get("status_bar").is_some(),
        _ => false,
    })
}

/// Audiences, each worked out once for all notices that are for the same.
pub struct Audiences<'a> {
    resolution: &'a Resolution<'a>,
    vendors: BTreeMap<&'a Name, Vendor>,
    known: BTreeMap<(Vec<&'a Target>, &'a BTreeSet<Name>), Rc<Audience<'a>>>,
}

impl<'a> Audiences<'a> {
    /// The audiences of a project.
    pub fn new(
        resolution: &'a Resolution<'a>,
        vendors: impl IntoIterator<Item = (&'a Name, Vendor)>,
    ) -> Self {
        Self {
            resolution,
            vendors: vendors.into_iter().collect(),
            known: BTreeMap::new(),
        }
    }

    /// Whom a notice reaches that is for these, by these providers.
    pub fn of(
        &mut self,
        to: impl IntoIterator<Item = &'a Target>,
        via: &'a BTreeSet<Name>,
    ) -> Rc<Audience<'a>> {
        let to: Vec<&Target> = to.into_iter().collect();
        if let Some(known) = self.known.get(&(to.clone(), via)) {
            return Rc::clone(known);
        }
        let audience = Rc::new(self.work_out(&to, via));
        self.known.insert((to, via), Rc::clone(&audience));
        audience
    }

    fn work_out(&self, to: &[&'a Target], via: &'a BTreeSet<Name>) -> Audience<'a> {
        let mut reached: BTreeMap<&Name, Reach<'a>> = via
            .iter()
            .filter_map(|name| Some((name, Reach::new(name, *self.vendors.get(name)?))))
            .collect();
        for target in to {
            match target {
                Target::Chat(chat) => {
                    let feishu = reached.values_mut().filter(|r| r.vendor == Vendor::Feishu);
                    feishu.for_each(|reach| {
                        reach.chats.insert(chat);
                    });
                }
                Target::Conversation(provider, id) => {
                    if let Some(reach) = reached.get_mut(provider) {
                        reach.chats.insert(id);
                    }
                }
                Target::Group(name) => {
                    for member in self.resolution.members(name.as_str()) {
                        let Some(reach) = reached.get_mut(member.provider) else {
                            continue;
                        };
                        let recipient = member.recipient;
                        if !recipient.is_person() && !member.except.is_empty() {
                            reach.obstacle.get_or_insert_with(|| {
                                format!(
                                    "`{name}` leaves people out of {recipient}, which no vendor can do"
                                )
                            });
                        }
                        match recipient {
                            Recipient::Everyone => reach.everyone = true,
                            Recipient::Email(_) | Recipient::Mobile(_) => {
                                reach.unresolved.insert(recipient);
                            }
                            one if one.is_person() => {
                                reach.people.insert(one);
                            }
                            many => {
                                reach.departments.insert(many);
                            }
                        }
                    }
                }
            }
        }
        reached.into_values().collect()
    }
}
