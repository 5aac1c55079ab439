//! What becomes of a work notification: progress, result, recall, status bar.
//!
//! Sources: the pages of the four calls. Where they are silent:
//!
//! - A task that is unknown, of another app or agent, or too old is 40035; at recall it is 400002.
//! - Progress is told for 24 hours, as its note on the task id says, and not for 7 days.
//! - A result is asked too early: the lists have whoever has it so far. Above 100 receivers it is
//!   41052.
//! - Dropped people stand in `forbidden_list` alone, as in the vendor's sample; the count is the
//!   quota that was hit. After a recall who had not got it is in no list.
//! - A second recall changes nothing.

use serde_json::{Map, Value, json};

use super::content::is_colour;
use super::{Call, Failure, Success, send};
use crate::sandbox::mail::{Delivery, Sent};
use crate::sandbox::people::{Person, Tenant};
use crate::sandbox::world::{Found, Moment, View, WorldError};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const RESULT_RECEIVERS: usize = 100;

/// `getSendProgress`.
pub(super) fn progress(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let at_ms = call.view.instant(moment.now_ms);
    let sent = task(call, "task_id", DAY_MS, at_ms, moment)?.ok_or(Failure::Refused(40035))?;
    let deliveries = sent.deliveries(moment)?;
    let (status, percent) = if at_ms < sent.begins_ms {
        (0, 0)
    } else if at_ms >= sent.done_ms || sent.withdrawn(at_ms).is_some() {
        (2, 100)
    } else {
        let handled = deliveries
            .iter()
            .filter(|d| d.dropped.is_some() || sent.came(d, at_ms).is_some());
        (1, handled.count() * 100 / deliveries.len().max(1))
    };
    Ok(Success::Top(json!({
        "progress": {"progress_in_percent": percent, "status": status},
        "request_id": call.log_id,
    })))
}

/// `getSendResult`.
pub(super) fn result(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let at_ms = call.view.instant(moment.now_ms);
    let sent = task(call, "task_id", DAY_MS, at_ms, moment)?.ok_or(Failure::Refused(40035))?;
    let deliveries = sent.deliveries(moment)?;
    if deliveries.len() > RESULT_RECEIVERS {
        return Err(Failure::Refused(41052));
    }
    let tenant = Tenant::of(moment)?;
    let mut lists = Lists::default();
    if at_ms >= sent.begins_ms {
        for delivery in &deliveries {
            lists.add(&sent, delivery, at_ms, &tenant, moment)?;
        }
    }
    Ok(Success::Top(json!({
        "send_result": {
            "invalid_user_id_list": sent.doc["invalid_users"],
            "invalid_dept_id_list": sent.doc["invalid_departments"],
            "forbidden_list": lists.forbidden,
            "failed_user_id_list": [],
            "read_user_id_list": lists.read,
            "unread_user_id_list": lists.unread,
        },
        "request_id": call.log_id,
    })))
}

#[derive(Default)]
struct Lists {
    read: Vec<String>,
    unread: Vec<String>,
    forbidden: Vec<Value>,
}

impl Lists {
    fn add(
        &mut self,
        sent: &Sent,
        delivery: &Delivery,
        at_ms: i64,
        tenant: &Tenant,
        moment: &Moment<'_>,
    ) -> Result<(), WorldError> {
        let found: Option<Found<Person>> =
            moment.find(Person::KIND, &delivery.person, View::Present)?;
        let Some(userid) = found.and_then(|found| found.doc.dingtalk_user_id) else {
            return Ok(());
        };
        if let Some(code) = &delivery.dropped {
            let count = match code.as_str() {
                "143106" => 1,
                "143105" => tenant.work_a_day,
                _ => tenant.receivers_a_minute,
            };
            self.forbidden
                .push(json!({"code": code, "count": count, "userid": userid}));
        } else if delivery.read(at_ms).is_some() {
            self.read.push(userid);
        } else if sent.came(delivery, at_ms).is_some() {
            self.unread.push(userid);
        }
        Ok(())
    }
}

/// `recallWorkNotification`: for everybody who got it.
pub(super) fn recall(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let sent = task(call, "msg_task_id", DAY_MS, moment.now_ms, moment)?;
    let sent = sent.ok_or(Failure::Refused(400002))?;
    sent.recall(moment.now_ms, moment)?;
    Ok(Success::Top(json!({"request_id": call.log_id})))
}

/// `updateStatusBar`: oa messages that have one.
pub(super) fn status_bar(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let value = call
        .text("status_value")
        .map_err(|_| Failure::Refused(40035))?;
    let colour = call
        .body
        .get("status_bg")
        .filter(|colour| !colour.is_null());
    if colour.is_some_and(|colour| !colour.as_str().is_some_and(is_colour)) {
        return Err(Failure::Refused(40035));
    }
    let agent = call.body.get("agent_id").and_then(send::long);
    if agent.is_none_or(|id| id <= 0) {
        return Err(Failure::Refused(40056));
    }
    let sent = task(call, "task_id", 7 * DAY_MS, moment.now_ms, moment)?;
    let sent = sent
        .filter(|sent| sent.doc["status_bar"] == true)
        .ok_or(Failure::Refused(40035))?;
    if moment.now_ms < sent.done_ms {
        return Err(Failure::Refused(41052));
    }
    let mut doc: Map<String, Value> = sent.doc.as_object().cloned().unwrap_or_default();
    doc.insert("status_value".to_owned(), value.into());
    sent.remember(&Value::Object(doc), moment)?;
    Ok(Success::Top(json!({"request_id": call.log_id})))
}

/// The task that a call names, if its app and agent have sent it in the last while.
fn task(
    call: &Call<'_>,
    name: &str,
    window_ms: i64,
    at_ms: i64,
    moment: &Moment<'_>,
) -> Result<Option<Sent>, WorldError> {
    let number = |name: &str| call.body.get(name).and_then(send::long);
    let (Some(agent), Some(task)) = (number("agent_id"), number(name)) else {
        return Ok(None);
    };
    let sent = Sent::find("dingtalk", &task.to_string(), at_ms, moment)?;
    Ok(sent.filter(|sent| {
        sent.way == send::KIND
            && sent.app == call.app
            && sent.doc["agent_id"] == agent
            && moment.now_ms - sent.sent_ms <= window_ms
    }))
}
