//! What somebody does while a call is on its way: an edit, a removal, a right that is taken.
//!
//! It knows no rules of the vendor, as the control endpoints know none.

use serde_json::{Value, json};

use super::{Deed, Spoil};
use crate::sandbox::enos::Org;
use crate::sandbox::feishu::{Chat, Subscription, Tasklist, UserGroup};
use crate::sandbox::vendor::Route;
use crate::sandbox::world::{Found, Moment, View, WorldError};
use crate::sandbox::{APP_ID, mail};

impl Deed {
    /// Does it. What is not there is left alone.
    pub(in crate::sandbox) fn run(
        &self,
        route: &Route,
        query: &[(String, String)],
        moment: &Moment<'_>,
    ) -> Result<(), WorldError> {
        match self {
            Deed::Edit { field } => edit(route, field, moment),
            Deed::Delete => match object(route, moment)? {
                Some((kind, found)) if kind == Chat::KIND => {
                    let mut chat: Chat = serde_json::from_value(found.doc)?;
                    chat.dissolved = true;
                    moment.overwrite(kind, &found.id, &chat)
                }
                Some((kind, found)) => moment.remove(kind, &found.id),
                None => Ok(()),
            },
            Deed::Revoke => match route.value("tasklist_guid") {
                Some(guid) => leave_tasklist(guid, moment),
                None => deny(query, moment),
            },
            Deed::RemoveBot { chat } => {
                let id = chat.as_deref().or_else(|| route.value("chat_id"));
                let found: Option<Found<Chat>> = match id {
                    Some(id) => moment.find(Chat::KIND, id, View::Present)?,
                    None => None,
                };
                let Some(mut found) = found else {
                    return Ok(());
                };
                found.doc.bots.retain(|bot| bot != APP_ID);
                moment.overwrite(Chat::KIND, &found.id, &found.doc)
            }
        }
    }
}

/// The object that a call is about; of a call on a tasklist, the first subscription in it.
fn object(
    route: &Route,
    moment: &Moment<'_>,
) -> Result<Option<(&'static str, Found<Value>)>, WorldError> {
    let named = [
        ("activity_subscription_guid", Subscription::KIND),
        ("chat_id", Chat::KIND),
        ("group_id", UserGroup::KIND),
    ];
    for (name, kind) in named {
        if let Some(id) = route.value(name) {
            let found = moment.find(kind, id, View::Present)?;
            return Ok(found.map(|found| (kind, found)));
        }
    }
    let Some(guid) = route.value("tasklist_guid") else {
        return Ok(None);
    };
    let inside: Vec<Found<Value>> = moment.list(Subscription::KIND, Some(guid), View::Present)?;
    let first = inside.into_iter().next();
    Ok(first.map(|found| (Subscription::KIND, found)))
}

fn edit(route: &Route, field: &str, moment: &Moment<'_>) -> Result<(), WorldError> {
    let Some((kind, mut found)) = object(route, moment)? else {
        return Ok(());
    };
    match found.doc.get_mut(field) {
        // Once more takes it back to nothing new: an edit is always one.
        Some(Value::String(text)) => text.push('\''),
        Some(Value::Bool(flag)) => *flag = !*flag,
        Some(Value::Array(items)) if items.len() > 1 => {
            items.pop();
        }
        Some(Value::Array(items)) if items.iter().all(Value::is_number) => {
            let only = json!(101);
            *items = vec![if items.contains(&only) {
                json!(100)
            } else {
                only
            }];
        }
        _ => match found.doc.get_mut("settings") {
            Some(Value::Object(settings)) => {
                let before = settings.get(field).and_then(Value::as_str).unwrap_or("");
                let after = format!("{before}'");
                settings.insert(field.to_owned(), after.into());
            }
            _ => return Ok(()),
        },
    }
    moment.replace(kind, &found.id, &found.doc)
}

fn leave_tasklist(guid: &str, moment: &Moment<'_>) -> Result<(), WorldError> {
    let found: Option<Found<Tasklist>> = moment.find(Tasklist::KIND, guid, View::Present)?;
    let Some(mut found) = found else {
        return Ok(());
    };
    found.doc.members.retain(|member| member.id != APP_ID);
    if found.doc.owner.id == APP_ID {
        found.doc.owner.id = "ou_somebody_else".to_owned();
        found.doc.owner.kind = "user".to_owned();
    }
    moment.overwrite(Tasklist::KIND, guid, &found.doc)
}

fn deny(query: &[(String, String)], moment: &Moment<'_>) -> Result<(), WorldError> {
    let id = query.iter().find(|(name, _)| name == "orgId");
    let id = id.map_or(Org::ALWAYS, |(_, id)| id.as_str());
    let found: Option<Found<Org>> = moment.find(Org::KIND, id, View::Present)?;
    let org = Org {
        denied: true,
        ..found.as_ref().map(|f| f.doc.clone()).unwrap_or_default()
    };
    match found {
        Some(found) => moment.overwrite(Org::KIND, &found.id, &org),
        None => moment.insert_as_old(Org::KIND, id, "", &org),
    }
}

impl Spoil {
    /// Spoils every message that was accepted since the one of that number.
    pub(in crate::sandbox) fn run(self, since: i64, moment: &Moment<'_>) -> Result<(), WorldError> {
        match self {
            Spoil::Partial => mail::drop_since(since, 2, moment),
            Spoil::OverQuota => mail::drop_since(since, 1, moment),
            Spoil::Stuck => mail::never_end_since(since, moment),
        }
    }
}
