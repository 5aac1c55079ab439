//! One message to a chat or a person: send, withdraw, and who has read it.
//!
//! Sources: the pages under im-v1/message. Where they are silent:
//!
//! - A `uuid` that was used in the last hour answers the message that it made, whatever it is asked
//!   to say and to whom now.
//! - An id of a wrong form is 230034; one that nobody has is the common code for its kind, for an
//!   address 230001.
//! - Who has left gets 230029, who is out of scope 230013, who has blocked the bot 230035.
//! - A chat is read by those who were in it when the message came.
//! - No file, audio, video or sticker can be sent: nobody can have uploaded one (230017). Messages
//!   of the system go to no chat of a bot (230054).
//! - A message that is gone is 99992354 if there never was one.

use serde_json::{Value, json};

use super::Call;
use super::batch::HOUR_MS;
use super::check::Fields;
use super::content::{self, Seen, Service};
use super::envelope::{Failure, Refusal, Success};
use super::ids::{self, IdType, Standing};
use super::records::{Chat, OneToOne};
use super::{once, page};
use crate::sandbox::limits::{self, Tier};
use crate::sandbox::mail::{Message, Receiver, Sent};
use crate::sandbox::people::{By, Person, Tenant, id_for};
use crate::sandbox::world::{Found, Moment, View};

const KIND: &str = "message";

/// How long others' messages can be withdrawn, and how long it is told who has read one.
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * 24 * HOUR_MS;

/// What one person gets in a second, and one chat from all of its bots.
const EACH: Tier = Tier {
    per_minute: None,
    per_second: Some(5),
};

const KINDS: [&str; 11] = [
    "text",
    "post",
    "image",
    "file",
    "audio",
    "media",
    "sticker",
    "interactive",
    "share_chat",
    "share_user",
    "system",
];

const BAD_PARAMETER: i64 = 230001;

fn no(code: i64, why: impl Into<String>) -> Failure {
    Refusal::new(400, code, why).into()
}

/// Where a message goes.
struct Place {
    chat: String,
    people: Vec<String>,
}

/// `createMessage`.
pub(super) fn create(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let kinds = ["open_id", "union_id", "user_id", "email", "chat_id"];
    let by = call.query.one_of("receive_id_type", &kinds)?;
    let by = by.ok_or_else(|| {
        Refusal::parameter("receive_id_type", "", "receive_id_type is required".into())
    })?;
    let fields = Fields::of_body(call.body, BAD_PARAMETER)?;
    bots_on(moment)?;
    let to = fields.required("receive_id", fields.text("receive_id", 1..=usize::MAX)?)?;
    let kind = fields.required("msg_type", fields.one_of("msg_type", &KINDS)?)?;
    let text = fields.required("content", fields.text("content", 1..=usize::MAX)?)?;
    let uuid = fields.text("uuid", 0..=50)?.filter(|uuid| !uuid.is_empty());
    if let Some(uuid) = uuid
        && let Some(id) = once::made(KIND, call.app, uuid, HOUR_MS, moment)?
        && let Some(sent) = Sent::find("feishu", &id, moment.now_ms, moment)?
    {
        return Ok(Success::Data(show(&sent, moment)));
    }
    if !content::fits(kind, call.bytes.len()) {
        return Err(no(230025, "the content is too large"));
    }
    let seen = seen(kind, text, &fields, call.app, moment)?;
    let place = place(by, to, call.app, moment)?;
    if call.enforce_limits
        && limits::admit(moment, "", &format!("message to {}", place.chat), EACH)?.is_some()
    {
        return Err(no(230020, "too many messages to this receiver in a second"));
    }
    let message = Message {
        vendor: "feishu",
        id: format!("om_{}", uuid::Uuid::new_v4().simple()),
        way: KIND,
        app: call.app.to_owned(),
        chat: Some(place.chat),
        kind: kind.to_owned(),
        title: seen.title,
        text: seen.text,
        doc: text.into(),
        begins_ms: moment.now_ms,
        ..Message::default()
    };
    let people = place.people.into_iter();
    let to: Vec<Receiver> = people
        .map(|person| Receiver::at(person, moment.now_ms))
        .collect();
    message.post(&to, moment)?;
    if let Some(uuid) = uuid {
        once::note(KIND, call.app, uuid, &message.id, moment)?;
    }
    let sent = Sent::find("feishu", &message.id, moment.now_ms, moment)?;
    Ok(Success::Data(
        sent.map_or(Value::Null, |sent| show(&sent, moment)),
    ))
}

/// The bot of every app can be switched off.
pub(super) fn bots_on(moment: &Moment<'_>) -> Result<(), Failure> {
    if Tenant::of(moment)?.bots_off {
        return Err(no(230006, "the bot capability is off"));
    }
    Ok(())
}

fn seen(
    kind: &str,
    text: &str,
    fields: &Fields<'_>,
    app: &str,
    moment: &Moment<'_>,
) -> Result<Seen, Failure> {
    let service = Service::Message;
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let Some(given) = Fields::of_object(&value, BAD_PARAMETER, "content") else {
        let why = "the text of a JSON object is expected";
        return Err(fields.bad("content", why).into());
    };
    match kind {
        "text" => content::text(&given),
        "image" => content::image(&given, service, app, moment),
        "post" => content::post(&given, service, app, moment),
        "interactive" => match &value {
            Value::Object(card) => content::card(card, service),
            _ => Ok(Seen::default()),
        },
        "share_chat" => {
            let id = given.required("chat_id", given.text("chat_id", 1..=usize::MAX)?)?;
            if moment
                .find::<OneToOne>(OneToOne::KIND, id, View::Present)?
                .is_some()
            {
                return Err(no(230015, "a one-to-one chat cannot be shared"));
            }
            content::shared_chat(id, service, moment)
        }
        "share_user" => {
            let id = given.required("user_id", given.text("user_id", 1..=usize::MAX)?)?;
            match IdType::Open.standing(id, moment)? {
                Standing::Usable(open_id) => Ok(Seen {
                    title: None,
                    text: open_id,
                }),
                _ => Err(given.bad("user_id", "nobody has it").into()),
            }
        }
        "system" => Err(no(230054, "the bot cannot send such messages here")),
        _ => Err(no(230017, "the file was not uploaded by this app")),
    }
}

fn place(by: &str, to: &str, app: &str, moment: &Moment<'_>) -> Result<Place, Failure> {
    let fits = match by {
        "chat_id" => to.starts_with("oc_"),
        "open_id" => to.starts_with("ou_"),
        "union_id" => to.starts_with("on_"),
        "email" => to.contains('@'),
        _ => true,
    };
    if !fits {
        return Err(no(230034, format!("receive_id is no {by}: {to}")));
    }
    if by != "chat_id" {
        let open_id = reachable(by, to, moment)?;
        let chat = format!("oc_{}", id_for(&format!("{app} {open_id}")));
        let pair = OneToOne {
            app: app.to_owned(),
            person: open_id.clone(),
        };
        if moment
            .find::<OneToOne>(OneToOne::KIND, &chat, View::Present)?
            .is_none()
        {
            moment.insert_as_old(OneToOne::KIND, &chat, "", &pair)?;
        }
        let people = vec![open_id];
        return Ok(Place { chat, people });
    }
    if let Some(pair) = moment.find::<OneToOne>(OneToOne::KIND, to, View::Present)? {
        if pair.doc.app != app {
            return Err(outside());
        }
        let people = vec![reachable("open_id", &pair.doc.person, moment)?];
        let chat = to.to_owned();
        return Ok(Place { chat, people });
    }
    let Some(found) = moment.find::<Chat>(Chat::KIND, to, View::Present)? else {
        return Err(no(99992356, format!("no chat has the id {to}")));
    };
    in_chat(&found, app)?;
    if found.doc.setting("moderation_permission") == "only_owner" && !found.doc.managed_by(app) {
        return Err(no(230018, "only the owner and admins may post"));
    }
    Ok(Place {
        chat: found.id,
        people: found.doc.users,
    })
}

fn in_chat(chat: &Found<Chat>, app: &str) -> Result<(), Failure> {
    if chat.doc.dissolved {
        return Err(no(232009, "the chat is already dissolved"));
    }
    if !chat.doc.holds(app) {
        return Err(outside());
    }
    Ok(())
}

fn outside() -> Failure {
    no(230002, "the bot is not in the chat")
}

/// The open_id of somebody to whom the bot may write.
fn reachable(by: &str, id: &str, moment: &Moment<'_>) -> Result<String, Failure> {
    let standing = match IdType::named(by) {
        Some(kind) => kind.standing(id, moment)?,
        None => {
            let found = Person::find(By::Email, id, moment)?;
            match found.and_then(|found| found.doc.open_id) {
                Some(open_id) => IdType::Open.standing(&open_id, moment)?,
                None => Standing::Unknown,
            }
        }
    };
    match standing {
        Standing::Usable(open_id) => {
            let person = ids::person(&open_id, moment)?;
            if person.is_some_and(|person| person.blocks_bots) {
                return Err(no(230035, "the person has blocked the bot"));
            }
            Ok(open_id)
        }
        Standing::Hidden(_) => Err(no(230013, "the bot cannot reach the person")),
        Standing::Left(_) => Err(no(230029, "the person has left the organisation")),
        Standing::Unknown => {
            let code = match by {
                "open_id" => 99992351,
                "user_id" => 99992360,
                "union_id" => 99992364,
                _ => BAD_PARAMETER,
            };
            Err(no(code, format!("nobody has the {by} {id}")))
        }
    }
}

fn show(sent: &Sent, moment: &Moment<'_>) -> Value {
    let time = sent.sent_ms.to_string();
    json!({
        "message_id": sent.id,
        "msg_type": sent.kind,
        "create_time": time,
        "update_time": time,
        "deleted": sent.withdrawn(moment.now_ms).is_some(),
        "updated": false,
        "chat_id": sent.chat,
        "sender": {
            "id": sent.app,
            "id_type": "app_id",
            "sender_type": "app",
            "tenant_key": "sandbox",
        },
        "body": {"content": sent.doc},
    })
}

/// `recallMessage`: one's own in the tenant's window, those of others as who manages the chat.
pub(super) fn recall(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    bots_on(moment)?;
    let sent = known(call, View::Present, moment)?;
    let chat = chat_of(&sent, call.app, moment)?;
    let own = sent.app == call.app;
    let age = moment.now_ms - sent.sent_ms;
    match chat {
        _ if own => {
            if age > Tenant::of(moment)?.recall_hours * HOUR_MS {
                return Err(no(230009, "the time to recall it is over"));
            }
        }
        None => return Err(no(230050, "the message is not visible to the caller")),
        Some(chat) if !chat.doc.managed_by(call.app) => {
            return Err(no(230026, "only who manages the chat may recall it"));
        }
        Some(_) if age > YEAR_MS => return Err(no(230009, "the time to recall it is over")),
        Some(_) => {}
    }
    if sent.recall_ms.is_some() {
        return Err(gone());
    }
    sent.recall(moment.now_ms, moment)?;
    Ok(Success::Data(json!({})))
}

/// `listMessageReadUsers`: readers alone, in the order in which they read it.
pub(super) fn readers(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    if call.query.text("user_id_type").is_none() {
        let why = "user_id_type is required".to_owned();
        return Err(Refusal::parameter("user_id_type", "", why).into());
    }
    let ids = call.query.user_id_type()?;
    let size = call.query.integer("page_size", 1..=100, 20)?;
    let after = page::start(call.query)?;
    bots_on(moment)?;
    let at_ms = call.view.instant(moment.now_ms);
    let sent = known(call, call.view, moment)?;
    if sent.app != call.app {
        return Err(no(230012, "another bot has sent the message"));
    }
    chat_of(&sent, call.app, moment)?;
    if sent.withdrawn(at_ms).is_some() {
        return Err(gone());
    }
    if moment.now_ms - sent.sent_ms > WEEK_MS {
        return Err(no(230033, "the message is older than 7 days"));
    }
    let mut readers: Vec<(i64, String)> = Vec::new();
    for delivery in sent.deliveries(moment)? {
        if let Some(read_ms) = delivery.read(at_ms) {
            readers.push((read_ms, delivery.person));
        }
    }
    readers.sort();
    let rows = (1..).zip(&readers);
    let data = page::cut("items", rows, after, size, |(read_ms, person)| {
        Ok(json!({
            "user_id_type": ids.name(),
            "user_id": ids.shown(person, moment)?,
            "timestamp": read_ms.to_string(),
            "tenant_key": "sandbox",
        }))
    })?;
    Ok(Success::Data(data))
}

fn known(call: &Call<'_>, view: View, moment: &Moment<'_>) -> Result<Sent, Failure> {
    let id = call.path_value("message_id");
    if !id.starts_with("om_") {
        return Err(no(BAD_PARAMETER, format!("message_id is not valid: {id}")));
    }
    Sent::find("feishu", id, view.instant(moment.now_ms), moment)?
        .ok_or_else(|| no(99992354, format!("no message has the id {id}")))
}

/// The chat of a message, in which the caller has to be. One with a single person is none.
fn chat_of(sent: &Sent, app: &str, moment: &Moment<'_>) -> Result<Option<Found<Chat>>, Failure> {
    let id = sent.chat.as_deref().unwrap_or_default();
    let found: Option<Found<Chat>> = moment.find(Chat::KIND, id, View::Present)?;
    if let Some(chat) = &found {
        in_chat(chat, app)?;
    } else if sent.app == app
        && let Some(pair) = moment.find::<OneToOne>(OneToOne::KIND, id, View::Present)?
    {
        let person = ids::person(&pair.doc.person, moment)?;
        if person.is_some_and(|person| person.left || person.out_of_scope) {
            return Err(no(230013, "the bot cannot reach the person"));
        }
    }
    Ok(found)
}

fn gone() -> Failure {
    no(230110, "the message has been deleted")
}
