//! What groups stand for: `include` followed, `exclude` taken away.
//!
//! Pure, and ignorant of vendors: who an e-mail address belongs to comes in as [`Known`]. What cannot be
//! told without a vendor (whether somebody who is left out sits in a department) is kept beside the
//! recipient that it concerns, and never dropped.
//!
//! # Guarantees
//!
//! Sets of people, so that neither order nor the number of paths plays a part: what a group stands for
//! is the union, over its [`Member`]s, of the member's people without those of its `except`.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::{Groups, Recipient, Recipients};
use crate::model::{Name, Span};

/// What look-ups found, by provider: which recipient another one is, such as the `open_id` of an e-mail
/// address. Empty offline.
pub type Known = BTreeMap<Name, BTreeMap<Recipient, Recipient>>;

/// The most members that all groups of a project add up to. A member that is in five groups counts
/// five times; without a bound some lines of YAML could stand for more than fits into memory.
pub const MAX_RESOLVED: usize = 20_000_000;

/// Groups that include each other: each with the word that names the next, the last naming the first.
pub type Cycle<'a> = Vec<(&'a Name, Span)>;

/// Why groups stand for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolvable {
    /// A group includes itself, be it through others.
    #[error("the groups include each other: {}", .0.join(" → "))]
    Cycle(Vec<String>),
    /// A group includes one that is not there.
    #[error("the group `{0}` includes `{1}`, which is not there")]
    Unknown(Name, Name),
    /// They add up to more than [`MAX_RESOLVED`].
    #[error("with the group `{0}` the groups stand for more than {MAX_RESOLVED} people")]
    TooMany(Name),
}

/// Somebody in a resolved group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member<'a> {
    /// The provider's key.
    pub provider: &'a Name,
    /// Who.
    pub recipient: &'a Recipient,
    /// Who is left out of it, as far as the vendor says that they are the same or inside: people, where
    /// this is a department. Empty where nothing is open.
    pub except: Vec<&'a Recipient>,
}

/// A place that puts somebody into a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// From the group that was asked about to the one that lists them; the shortest such path.
    pub through: Vec<&'a Name>,
    /// The word that lists them.
    pub span: Span,
}

/// An `exclude` that takes nobody away, whatever the vendor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleExclude<'a> {
    /// The group.
    pub group: &'a Name,
    /// The provider's key.
    pub provider: &'a Name,
    /// Who is left out and was not in.
    pub recipient: &'a Recipient,
    /// The word that names them.
    pub span: Span,
}

/// What every group stands for.
#[derive(Debug)]
pub struct Resolution<'a> {
    groups: &'a Groups,
    table: Table<'a>,
    /// Sorted by recipient and exception, none twice.
    sets: HashMap<&'a Name, Vec<Slot>>,
    idle: Vec<IdleExclude<'a>>,
}

/// A recipient and an exception, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    who: u32,
    except: u32,
}

/// How many cycles are told apart. Each costs a look at its groups, and a few are enough to mend a knot.
const MAX_CYCLES: usize = 20;

/// No exception.
const NONE: u32 = 0;

/// Works out what every group stands for.
///
/// # Errors
///
/// When groups include each other or one that is not there, or stand for too many.
pub fn resolve<'a>(groups: &'a Groups, known: &'a Known) -> Result<Resolution<'a>, Unresolvable> {
    resolve_up_to(MAX_RESOLVED, groups, known)
}

fn resolve_up_to<'a>(
    most: usize,
    groups: &'a Groups,
    known: &'a Known,
) -> Result<Resolution<'a>, Unresolvable> {
    let (order, cycles) = includes_first(groups);
    if let Some(cycle) = cycles.first() {
        let names = cycle.iter().chain(cycle.first());
        let names = names.map(|(name, _)| name.to_string()).collect();
        return Err(Unresolvable::Cycle(names));
    }
    let mut resolution = Resolution {
        groups,
        table: Table::new(known),
        sets: HashMap::with_capacity(groups.len()),
        idle: Vec::new(),
    };
    let mut total = 0;
    for name in order {
        total += resolution.add(name, most - total)?;
    }
    resolution.idle.sort_by_key(|idle| idle.span);
    Ok(resolution)
}

impl<'a> Resolution<'a> {
    /// Who is in a group, in the order of providers and recipients; nobody where there is no such group.
    ///
    /// # Caveats
    ///
    /// A recipient stands here twice when it comes by two paths that leave out different people.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<Member<'a>> {
        let mut members: Vec<_> = self
            .set(group)
            .iter()
            .map(|s| self.table.member(*s))
            .collect();
        members.sort();
        members
    }

    /// How many recipients a group has, everyone and each department counted as one.
    #[must_use]
    pub fn count(&self, group: &str) -> usize {
        let mut last = None;
        let new = |slot: &&Slot| last.replace(slot.who) != Some(slot.who);
        self.set(group).iter().filter(new).count()
    }

    /// Whether a group has nobody.
    #[must_use]
    pub fn is_empty(&self, group: &str) -> bool {
        self.set(group).is_empty()
    }

    /// The excludes that take nobody away, by place.
    #[must_use]
    pub fn idle_excludes(&self) -> &[IdleExclude<'a>] {
        &self.idle
    }

    /// Every place that puts somebody into a group, those of the group itself first. A group that leaves
    /// them out hides the places behind it.
    #[must_use]
    pub fn origins(&self, group: &str, provider: &Name, recipient: &Recipient) -> Vec<Origin<'a>> {
        let mut origins = Vec::new();
        let Some(who) = self.table.find(provider, recipient) else {
            return origins;
        };
        let Some((group, _)) = self.groups.get_key_value(group) else {
            return origins;
        };
        // Paths share their ends: each step knows the step before it.
        let mut steps: Vec<(&'a Name, Option<usize>)> = vec![(group, None)];
        let mut seen = HashSet::from([group]);
        let mut queue = VecDeque::from([0]);
        while let Some(at) = queue.pop_front() {
            let name = steps[at].0;
            if !self.has(name, who) {
                continue;
            }
            let declared = &self.groups[name];
            for (_, span) in self.table.listed(&declared.people, provider, who) {
                let mut through = vec![name];
                let mut step = at;
                while let Some(before) = steps[step].1 {
                    through.push(steps[before].0);
                    step = before;
                }
                through.reverse();
                origins.push(Origin { through, span });
            }
            for next in declared.include.keys() {
                if seen.insert(next) {
                    steps.push((next, Some(at)));
                    queue.push_back(steps.len() - 1);
                }
            }
        }
        origins
    }

    fn set(&self, group: &str) -> &[Slot] {
        let name = self.groups.get_key_value(group).map(|(name, _)| name);
        let set = name.and_then(|name| self.sets.get(name));
        set.map_or(&[], Vec::as_slice)
    }

    fn has(&self, group: &Name, who: u32) -> bool {
        let set = self.set(group.as_str());
        set.binary_search_by_key(&who, |slot| slot.who).is_ok()
    }

    /// Resolves one group whose includes are resolved. Says how many members it has.
    fn add(&mut self, name: &'a Name, room: usize) -> Result<usize, Unresolvable> {
        let group = &self.groups[name];
        let mut slots: Vec<Slot> = Vec::new();
        for (provider, recipients) in &group.people {
            let provider = self.table.provider(provider);
            slots.extend(recipients.keys().map(|recipient| Slot {
                who: self.table.number(provider, recipient),
                except: NONE,
            }));
        }
        let mut merged = 0;
        for included in group.include.keys() {
            let Some(set) = self.sets.get(included) else {
                return Err(Unresolvable::Unknown(name.clone(), included.clone()));
            };
            slots.extend_from_slice(set);
            // What comes by many paths is not held many times.
            if slots.len() > 2 * merged + (1 << 22) {
                slots = self.table.merged(slots);
                merged = slots.len();
            }
        }
        let mut slots = self.table.merged(slots);
        if !group.exclude.is_empty() {
            slots = self.exclude(name, &slots);
        }
        if slots.len() > room {
            return Err(Unresolvable::TooMany(name.clone()));
        }
        let count = slots.len();
        slots.shrink_to_fit();
        self.sets.insert(name, slots);
        Ok(count)
    }

    fn exclude(&mut self, name: &'a Name, slots: &[Slot]) -> Vec<Slot> {
        let mut out = HashSet::new();
        let mut by_provider: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut places = Vec::new();
        for (key, recipients) in &self.groups[name].exclude {
            let provider = self.table.provider(key);
            let numbers = by_provider.entry(provider).or_default();
            for (recipient, span) in recipients {
                let who = self.table.number(provider, recipient);
                numbers.push(who);
                out.insert(who);
                places.push((who, key, recipient, *span));
            }
        }
        let mut hit = HashSet::new();
        // What stays depends on the form of a recipient and on what it lost before, so that it is worked
        // out once for each of these and not for each recipient.
        let mut open: HashMap<(u32, u8), Vec<u32>> = HashMap::new();
        let mut joined: HashMap<(u32, u32, u8), u32> = HashMap::new();
        let mut kept = Vec::with_capacity(slots.len());
        for slot in slots {
            if out.contains(&slot.who) {
                hit.insert(slot.who);
                continue;
            }
            let (provider, recipient) = self.table.recipients[slot.who as usize];
            let form = form(recipient);
            let table = &mut self.table;
            let except = *joined
                .entry((slot.except, provider, form))
                .or_insert_with(|| {
                    let open = open.entry((provider, form)).or_insert_with(|| {
                        let all = by_provider.get(&provider).into_iter().flatten().copied();
                        all.filter(|who| recipient.may_meet(table.recipients[*who as usize].1))
                            .collect()
                    });
                    hit.extend(open.iter().copied());
                    table.joined(slot.except, open)
                });
            kept.push(Slot { except, ..*slot });
        }
        for (who, provider, recipient, span) in places {
            if !hit.contains(&who) {
                self.idle.push(IdleExclude {
                    group: name,
                    provider,
                    recipient,
                    span,
                });
            }
        }
        kept.sort_unstable();
        kept
    }
}

/// Recipients and exceptions by number, each kept once.
#[derive(Debug)]
struct Table<'a> {
    known: &'a Known,
    providers: Vec<&'a Name>,
    recipients: Vec<(u32, &'a Recipient)>,
    numbers: HashMap<(u32, &'a Recipient), u32>,
    /// Sorted lists of recipients; the first is empty.
    exceptions: Vec<Vec<u32>>,
    exception_numbers: HashMap<Vec<u32>, u32>,
}

impl<'a> Table<'a> {
    fn new(known: &'a Known) -> Self {
        Self {
            known,
            providers: Vec::new(),
            recipients: Vec::new(),
            numbers: HashMap::new(),
            exceptions: vec![Vec::new()],
            exception_numbers: HashMap::from([(Vec::new(), NONE)]),
        }
    }

    fn provider(&mut self, name: &'a Name) -> u32 {
        let at = self.providers.iter().position(|p| *p == name);
        let at = at.unwrap_or_else(|| {
            self.providers.push(name);
            self.providers.len() - 1
        });
        number(at)
    }

    fn number(&mut self, provider: u32, recipient: &'a Recipient) -> u32 {
        let recipient = self.canonical(self.providers[provider as usize], recipient);
        let next = number(self.recipients.len());
        let is = *self.numbers.entry((provider, recipient)).or_insert(next);
        if is == next {
            self.recipients.push((provider, recipient));
        }
        is
    }

    /// Who a recipient is, as far as is known.
    fn canonical<'r>(&self, provider: &Name, recipient: &'r Recipient) -> &'r Recipient
    where
        'a: 'r,
    {
        if self.known.is_empty() {
            return recipient;
        }
        let known = self.known.get(provider).and_then(|k| k.get(recipient));
        known.unwrap_or(recipient)
    }

    fn find(&self, provider: &Name, recipient: &Recipient) -> Option<u32> {
        let at = self.providers.iter().position(|p| *p == provider)?;
        let recipient = self.canonical(provider, recipient);
        self.numbers.get(&(number(at), recipient)).copied()
    }

    /// The words that list a recipient, under whichever of its ids.
    fn listed(
        &self,
        people: &'a BTreeMap<Name, Recipients>,
        provider: &Name,
        who: u32,
    ) -> Vec<(&'a Recipient, Span)> {
        let Some(listed) = people.get(provider) else {
            return Vec::new();
        };
        let is = self.recipients[who as usize].1;
        if !self.known.contains_key(provider) {
            let found = listed.get_key_value(is);
            return found.map(|(one, span)| (one, *span)).into_iter().collect();
        }
        let same = listed
            .iter()
            .filter(|(one, _)| self.canonical(provider, one) == is);
        same.map(|(one, span)| (one, *span)).collect()
    }

    /// Slots in order, without what the others hold already.
    fn merged(&self, mut slots: Vec<Slot>) -> Vec<Slot> {
        slots.sort_unstable_by_key(|slot| (u64::from(slot.who) << 32) | u64::from(slot.except));
        slots.dedup();
        // A recipient without exception holds itself with one; that one comes first.
        let mut whole = None;
        slots.retain(|slot| {
            if slot.except == NONE {
                whole = Some(slot.who);
            }
            slot.except == NONE || whole != Some(slot.who)
        });
        self.without_those_in_everyone(&mut slots);
        slots
    }

    fn without_those_in_everyone(&self, slots: &mut Vec<Slot>) {
        let everyone: Vec<(u32, Slot)> = slots
            .iter()
            .filter(|slot| *self.recipients[slot.who as usize].1 == Recipient::Everyone)
            .map(|slot| (self.recipients[slot.who as usize].0, *slot))
            .collect();
        if everyone.is_empty() {
            return;
        }
        slots.retain(|slot| {
            let (provider, recipient) = self.recipients[slot.who as usize];
            let is_held = |all: &Slot| {
                let out = &self.exceptions[all.except as usize];
                // Whoever is left out of everyone may be this one, and then this one stays.
                !out.iter()
                    .any(|o| recipient.may_meet(self.recipients[*o as usize].1))
            };
            *recipient == Recipient::Everyone
                || !everyone
                    .iter()
                    .any(|(p, all)| *p == provider && is_held(all))
        });
    }

    fn joined(&mut self, before: u32, more: &[u32]) -> u32 {
        if more.is_empty() {
            return before;
        }
        let mut all = self.exceptions[before as usize].clone();
        all.extend_from_slice(more);
        all.sort_unstable();
        all.dedup();
        let next = number(self.exceptions.len());
        let exceptions = &mut self.exceptions;
        *self.exception_numbers.entry(all).or_insert_with_key(|all| {
            exceptions.push(all.clone());
            next
        })
    }

    fn member(&self, slot: Slot) -> Member<'a> {
        let (provider, recipient) = self.recipients[slot.who as usize];
        let except = self.exceptions[slot.except as usize].iter();
        let mut except: Vec<_> = except.map(|who| self.recipients[*who as usize].1).collect();
        except.sort();
        Member {
            provider: self.providers[provider as usize],
            recipient,
            except,
        }
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("a manifest has fewer than 2^32 values")
}

fn form(recipient: &Recipient) -> u8 {
    match recipient {
        Recipient::Everyone => 0,
        Recipient::Department(_) => 1,
        Recipient::OpenDepartment(_) => 2,
        Recipient::OpenId(_) => 3,
        Recipient::UnionId(_) => 4,
        Recipient::UserId(_) => 5,
        Recipient::Email(_) => 6,
        Recipient::Mobile(_) => 7,
    }
}

/// Cycles among groups, at most twenty of them; there are none only where no group includes itself. An
/// included group that is not there is passed over.
#[must_use]
pub fn cycles(groups: &Groups) -> Vec<Cycle<'_>> {
    includes_first(groups).1
}

/// The names so that includes come first, and the cycles that keep some from it.
fn includes_first(groups: &Groups) -> (Vec<&Name>, Vec<Cycle<'_>>) {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        /// On the path that is being walked.
        Open,
        Done,
    }
    let mut states: HashMap<&Name, State> = HashMap::with_capacity(groups.len());
    let mut order = Vec::with_capacity(groups.len());
    let mut cycles: Vec<Cycle<'_>> = Vec::new();
    let mut in_cycle: HashSet<&Name> = HashSet::new();
    for (root, group) in groups {
        if states.contains_key(root) {
            continue;
        }
        // A path of its own and not the stack: how deep groups nest is up to the manifest.
        states.insert(root, State::Open);
        let mut path = vec![(root, group.include.iter(), group.span)];
        while let Some((name, rest, word)) = path.last_mut() {
            let Some((included, span)) = rest.next() else {
                states.insert(*name, State::Done);
                order.push(*name);
                path.pop();
                continue;
            };
            *word = *span;
            match states.get(included) {
                Some(State::Done) => {}
                Some(State::Open) => {
                    // One finding a knot: what is in a cycle already is looked at again when that is mended.
                    let is_new = !in_cycle.contains(*name) && !in_cycle.contains(included);
                    if is_new && cycles.len() < MAX_CYCLES {
                        let from = path.iter().position(|(name, ..)| *name == included);
                        let cycle = &path[from.expect("what is open is on the path")..];
                        let cycle: Cycle<'_> = cycle.iter().map(|(n, _, w)| (*n, *w)).collect();
                        in_cycle.extend(cycle.iter().map(|(name, _)| *name));
                        cycles.push(cycle);
                    }
                }
                None => {
                    if let Some((included, group)) = groups.get_key_value(included) {
                        states.insert(included, State::Open);
                        path.push((included, group.include.iter(), group.span));
                    }
                }
            }
        }
    }
    (order, cycles)
}

#[cfg(test)]
mod tests {
    use super::super::RecipientGroup;
    use super::*;
    use crate::model::{Address, Kind, diagnostic::FileId};

    fn groups(all: &[(&str, &[&str], &[&str])]) -> Groups {
        let span = Span {
            file: FileId(0),
            start: 0,
            end: 0,
        };
        let name = |text: &str| Name::new(text).unwrap();
        let group = |(key, users, include): &(&str, &[&str], &[&str])| {
            let user = |id: &&str| (Recipient::UserId((*id).into()), span);
            let group = RecipientGroup {
                address: Address::new(Kind::RecipientGroup, name(key)),
                description: String::new(),
                people: [(name("enos"), users.iter().map(user).collect())].into(),
                include: include.iter().map(|i| (name(i), span)).collect(),
                exclude: BTreeMap::new(),
                user_groups: BTreeMap::new(),
                protect: false,
                moved_from: None,
                span,
            };
            (name(key), group)
        };
        all.iter().map(group).collect()
    }

    #[test]
    fn what_adds_up_to_too_much_is_refused() {
        let groups = groups(&[
            ("a", &["x", "y"], &["b"]),
            ("b", &["y", "z"], &[]),
            ("c", &[], &["a", "b"]),
        ]);
        let known = Known::new();
        // Two of b, three of a, three of c.
        assert!(resolve_up_to(8, &groups, &known).is_ok());
        let refused = resolve_up_to(7, &groups, &known).map(|_| ()).unwrap_err();
        assert_eq!(refused, Unresolvable::TooMany(Name::new("c").unwrap()));
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let known = Known::new();
        let circle = groups(&[("a", &["x"], &["b"]), ("b", &[], &["a"])]);
        let why = resolve(&circle, &known).map(|_| ()).unwrap_err();
        assert_eq!(why.to_string(), "the groups include each other: a → b → a");
        let gone = groups(&[("a", &["x"], &["b"])]);
        let why = resolve(&gone, &known).map(|_| ()).unwrap_err();
        assert_eq!(
            why.to_string(),
            "the group `a` includes `b`, which is not there"
        );
    }
}
