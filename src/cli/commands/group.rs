//! `group`: who is in the declared groups, by what the files say.

use super::{HUMAN_JSON, Result};
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, GroupCommand};
use crate::cli::error::Failure;
use crate::cli::people::{self, CountJson, GroupJson, GroupsJson, PlaceJson, RecipientJson};
use crate::cli::session;
use crate::cli::text::{clean, count, people as count_people};
use crate::cli::ui::Ui;
use crate::model::group::{Known, RecipientGroup, resolve};
use crate::model::manifest::Manifest;
use crate::model::parse::Secrets;
use crate::model::{Kind, Name, closest};

pub(super) fn run(global: &Global, args: &GroupCommand, ui: &Ui) -> Result {
    super::only(ui, "group", &HUMAN_JSON)?;
    let (manifest, sources) = session::read(global, ui, Secrets::Skip)?;
    let known = Known::new();
    let resolution = resolve(&manifest.groups, &known)
        .map_err(|why| Failure::new("the groups cannot be worked out").because(why))?;
    match args {
        GroupCommand::List => {
            let groups = people::groups(&manifest, &resolution, &sources);
            list(&groups, ui);
        }
        GroupCommand::Show { name } => {
            let group = find(&manifest, name)?;
            let group = people::group(&manifest, group, &resolution, &sources);
            show(&group, ui);
        }
    }
    Ok(ExitStatus::Done)
}

/// The group of a name, or of an address.
fn find<'m>(manifest: &'m Manifest, text: &str) -> Result<&'m RecipientGroup> {
    let prefix = format!("{}.", Kind::RecipientGroup);
    let word = text.strip_prefix(&prefix).unwrap_or(text);
    let name = Name::new(word).ok();
    if let Some(group) = name.as_ref().and_then(|name| manifest.groups.get(name)) {
        return Ok(group);
    }
    let is_chat = name.is_some_and(|name| {
        manifest.chats.contains_key(&name) || manifest.managed_chats.contains_key(&name)
    });
    let hint = if is_chat {
        "It is a chat, and a group is people.".to_owned()
    } else if let Some(best) = closest(word, manifest.groups.keys().map(Name::as_str)) {
        format!("Did you mean `{best}`?")
    } else {
        "`beadle group list` shows the groups.".to_owned()
    };
    Err(Failure::new(format!("there is no group `{word}`")).hint(hint))
}

fn list(groups: &GroupsJson, ui: &Ui) {
    if ui.format() == Format::Json {
        return ui.print_json(groups);
    }
    if groups.groups.is_empty() {
        return ui.say("No group is declared.");
    }
    let rows: Vec<_> = groups
        .groups
        .iter()
        .map(|group| {
            let providers: Vec<&str> = group.providers.keys().map(String::as_str).collect();
            vec![
                group.address.clone(),
                counted(group.count),
                providers.join(", "),
                at(&group.place),
            ]
        })
        .collect();
    ui.print(&super::table(&["ADDRESS", "WHO", "AT", "DECLARED"], &rows));
}

fn show(group: &GroupJson, ui: &Ui) {
    if ui.format() == Format::Json {
        return ui.print_json(group);
    }
    let mut text = format!("{}  {}\n", clean(&group.address), at(&group.place));
    if !group.description.is_empty() {
        text.push_str(&format!("{}\n", clean(&group.description)));
    }
    text.push_str(&format!("{}\n", counted(group.count)));
    for provider in &group.providers {
        let kept = match &provider.user_group {
            Some(name) => format!(", kept as the user group {}", clean(name)),
            None => String::new(),
        };
        text.push_str(&format!(
            "\n{}: {}{kept}\n",
            clean(&provider.provider),
            counted(provider.count)
        ));
        let rows: Vec<_> = provider
            .members
            .iter()
            .flat_map(|member| {
                let mut who = words(&member.who);
                if !member.except.is_empty() {
                    let except: Vec<_> = member.except.iter().map(words).collect();
                    who.push_str(&format!(" except {}", except.join(", ")));
                }
                member
                    .from
                    .iter()
                    .map(move |from| vec![who.clone(), chain(&from.through), at(&from.place)])
            })
            .collect();
        text.push_str(&super::table(&["WHO", "FROM", "LISTED"], &rows));
    }
    if !group.left_out.is_empty() {
        let rows: Vec<_> = group
            .left_out
            .iter()
            .map(|out| {
                vec![
                    format!("{} {}", out.provider, words(&out.who)),
                    out.by.clone(),
                    at(&out.place),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&super::table(&["LEFT OUT", "BY", "LISTED"], &rows));
    }
    ui.print(&text);
}

/// The groups on the way to somebody; of a long way its ends. JSON has all of it.
fn chain(through: &[String]) -> String {
    const ENDS: usize = 3;
    let middle = through.len().saturating_sub(2 * ENDS);
    if middle < 2 {
        return through.join(" → ");
    }
    let (first, last) = (&through[..ENDS], &through[through.len() - ENDS..]);
    let (first, last) = (first.join(" → "), last.join(" → "));
    format!("{first} → ({middle} more) → {last}")
}

fn words(who: &RecipientJson) -> String {
    match &who.id {
        Some(id) => format!("{} {id}", who.kind),
        None => who.kind.clone(),
    }
}

fn counted(of: CountJson) -> String {
    let mut parts = Vec::new();
    if of.everyone {
        parts.push("everyone".to_owned());
    }
    if of.people > 0 {
        parts.push(count_people(of.people));
    }
    if of.departments > 0 {
        parts.push(count(of.departments, "department"));
    }
    if parts.is_empty() {
        "nobody".to_owned()
    } else {
        parts.join(", ")
    }
}

fn at(place: &PlaceJson) -> String {
    format!("{}:{}:{}", clean(&place.file), place.line, place.column)
}
