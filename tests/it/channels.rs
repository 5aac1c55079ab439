//! The channels of the three vendors against a server that answers what each test scripts: odd answers,
//! partial failures, lost replies. Every request is held against the vendor's contract.

mod sandbox;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use beadle::engine::ApiError;
use beadle::engine::channel::{Channel, Letter, Parcel, People, Repeat, Sent, To};
use beadle::model::ChatId;
use beadle::model::group::Recipient;
use beadle::model::manifest::Vendor;
use beadle::vendors::{self, Agency};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::{Log, SECRET, Seen, Server, Step, code, json as answer, with};
use crate::support::contract::Contract;

const ROOM: &str = "oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f";

fn feishu(server: &Server) -> Arc<dyn Channel> {
    vendors::feishu(server.settings()).unwrap().1.channel
}

fn dingtalk(server: &Server) -> Arc<dyn Channel> {
    let agency = Agency {
        agent_id: Some(781_348),
        robot_code: Some("robot".to_owned()),
        ..Agency::default()
    };
    vendors::dingtalk(server.settings(), agency)
        .unwrap()
        .channel
}

fn enos(server: &Server) -> Arc<dyn Channel> {
    vendors::enos(server.settings(), "o 1", Timestamp::now)
        .unwrap()
        .channel
}

fn chat(id: &str) -> To {
    To::Chat(ChatId::new(id))
}

fn to(vendor: Vendor, words: &[&str]) -> Vec<To> {
    let read = |word: &&str| Recipient::parse(vendor, word).unwrap_or_else(|| panic!("{word}"));
    words.iter().map(read).map(To::Recipient).collect()
}

fn text() -> Letter {
    Letter::new("text", json!({"text": "明天 10:00"}))
}

fn only(parcels: Result<Vec<Parcel>, String>) -> Parcel {
    let mut parcels = parcels.unwrap();
    assert_eq!(parcels.len(), 1);
    parcels.remove(0)
}

fn message(channel: &Arc<dyn Channel>) -> Parcel {
    only(channel.pack(&text(), &[chat(ROOM)], "p/weekly@1"))
}

fn batch(channel: &Arc<dyn Channel>) -> Parcel {
    let whom = ["user ou_1", "user u2", "user on_3", "department dev"];
    let whom = [
        to(Vendor::Feishu, &whom),
        to(Vendor::Feishu, &["department od-1"]),
    ]
    .concat();
    only(channel.pack(&text(), &whom, "p/weekly@1"))
}

fn notification(channel: &Arc<dyn Channel>, whom: &[&str]) -> Parcel {
    let letter = Letter::new("text", json!({"content": "明天 10:00"}));
    only(channel.pack(&letter, &to(Vendor::DingTalk, whom), "k"))
}

fn group(channel: &Arc<dyn Channel>) -> Parcel {
    let letter = Letter::new("text", json!({"content": "明天 10:00"}));
    only(channel.pack(&letter, &[chat("cid1=")], "k"))
}

fn notice(channel: &Arc<dyn Channel>) -> Parcel {
    let letter = Letter::new("notice", json!({"body": {"defaultValue": "明天 10:00"}}));
    only(channel.pack(&letter, &to(Vendor::Enos, &["user u1"]), "k"))
}

/// The operations that the requests are, each of which fits the contract.
fn held(contract: &Contract, seen: &[Seen]) -> Vec<String> {
    let operation = |seen: &Seen| {
        let (method, target) = seen.line.split_once(' ').unwrap();
        let url = reqwest::Url::parse(&format!("http://x{target}")).unwrap();
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let path = url.path().replace(
            "/app-portal-service/v2.2/notice",
            "/app-portal/api/v3/notice",
        );
        let operation = contract.operation_of(method, &path);
        let operation = operation.unwrap_or_else(|| panic!("{} is no operation", seen.line));
        let kind = seen.header("content-type").unwrap_or_default();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=");
        let form = boundary.map(|boundary| parts(&seen.body, boundary));
        let is_json = !seen.body.is_empty() && form.is_none();
        let body = is_json.then(|| serde_json::from_str(&seen.body));
        let body: Option<Value> = body.transpose().unwrap();
        contract
            .check_request(operation, &query, form.as_ref().or(body.as_ref()))
            .unwrap();
        operation.to_owned()
    };
    seen.iter().map(operation).collect()
}

/// The parts of a form by their names.
fn parts(body: &str, boundary: &str) -> Value {
    let mark = format!("--{boundary}");
    let parts = body.split(&mark);
    let part = |part: &str| {
        let (head, value) = part.strip_suffix("\r\n")?.split_once("\r\n\r\n")?;
        let name = head.split("; name=\"").nth(1)?.split('"').next()?;
        Some((name.to_owned(), json!(value)))
    };
    Value::Object(parts.filter_map(part).collect())
}

fn word<T, E: AsRef<ApiError>>(outcome: &Result<T, E>) -> &'static str {
    match outcome.as_ref().map_err(E::as_ref) {
        Ok(_) => "ok",
        Err(ApiError::Refused(_)) => "refused",
        Err(ApiError::Unreachable(_)) => "unreachable",
        Err(ApiError::Unknown(_)) => "unknown",
    }
}

/// What becomes of sending a parcel when its first calls are answered so, and the last answer stands for
/// all that follow: a word and the number of requests that left.
async fn outcome(
    contract: &Contract,
    client: impl Fn(&Server) -> Arc<dyn Channel>,
    pack: impl Fn(&Arc<dyn Channel>) -> Parcel,
    steps: &[Step],
) -> String {
    let server = Server::start([]).await;
    let last = steps.last().unwrap();
    server.script(steps.iter().chain(std::iter::repeat_n(last, 8)).cloned());
    let channel = client(&server);
    let parcel = pack(&channel);
    let sent = channel.send(&parcel).await;
    let seen = server.seen();
    held(contract, &seen);
    assert!(
        seen.iter()
            .all(|s| s.body == parcel.body || !s.line.ends_with(&parcel.operation))
    );
    format!("{} {}", word(&sent), seen.len())
}

fn html(status: u16) -> Step {
    with(status, "content-type: text/html\r\n", "<html>busy</html>")
}

/// Answers that mean the same at every vendor.
fn silence() -> Vec<(&'static str, Step)> {
    vec![
        ("closed", Step::Close),
        (
            "cut",
            Step::Raw("HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n{\"code\":0,\"errcode\":0"),
        ),
        ("empty", with(200, "", "")),
        ("page", html(200)),
        ("bad gateway", html(502)),
        ("redirect", with(302, "location: /elsewhere\r\n", "")),
        (
            "success behind a 5xx",
            answer(503, r#"{"code":0,"errcode":0}"#),
        ),
        (
            "unlisted",
            answer(200, r#"{"code":4711,"errcode":4711,"msg":"words"}"#),
        ),
        (
            "success of nothing",
            answer(200, r#"{"code":0,"errcode":0,"data":[]}"#),
        ),
    ]
}

#[tokio::test]
async fn feishus_answers_to_a_message_have_their_verdicts() {
    let internal = r#"{"code":11246,"msg":"Bot Send Card Failed: Service Internal Error"}"#;
    let content = r#"{"code":11246,"msg":"parse card json err, code 200621"}"#;
    let ok = r#"{"code":0,"data":{"message_id":"om_1"}}"#;
    let queued = r#"{"code":0,"data":{"message_id":"bm-1"}}"#;
    let mut table = vec![
        ("sent", answer(200, ok), "ok 1", "ok 1"),
        ("queued", answer(200, queued), "ok 1", "ok 1"),
        (
            "no id",
            answer(200, r#"{"code":0,"data":{}}"#),
            "unknown 1",
            "unknown 1",
        ),
        (
            "not in the chat",
            code(400, 230_002),
            "refused 1",
            "unknown 1",
        ),
        ("scope", code(200, 11_203), "unknown 1", "refused 1"),
        ("day's cap", code(200, 11_247), "unknown 1", "refused 1"),
        ("content", answer(200, content), "unknown 1", "refused 1"),
        ("internal", answer(200, internal), "unknown 1", "unknown 1"),
        (
            "gateway's throttle",
            code(429, 99_991_400),
            "refused 4",
            "refused 4",
        ),
        (
            "message throttle",
            code(200, 11_232),
            "refused 4",
            "refused 4",
        ),
        (
            "chat's throttle",
            code(400, 230_020),
            "refused 4",
            "unknown 1",
        ),
        (
            "equal one runs",
            code(400, 230_049),
            "unknown 1",
            "unknown 1",
        ),
        (
            "equal one is made",
            code(400, 18_121),
            "unknown 1",
            "unknown 1",
        ),
        ("overload", code(200, 2200), "unknown 1", "unknown 1"),
        (
            "dead token",
            code(400, 99_991_663),
            "refused 2",
            "refused 2",
        ),
        (
            "month's quota",
            code(429, 99_991_403),
            "refused 1",
            "refused 1",
        ),
        ("behind a 5xx", code(500, 230_002), "unknown 1", "unknown 1"),
    ];
    table.extend(
        silence()
            .into_iter()
            .map(|(name, step)| (name, step, "unknown 1", "unknown 1")),
    );
    let contract = Contract::feishu();
    for (name, step, alone, together) in table {
        let steps = [step];
        assert_eq!(
            outcome(contract, feishu, message, &steps).await,
            alone,
            "{name}"
        );
        assert_eq!(
            outcome(contract, feishu, batch, &steps).await,
            together,
            "{name}"
        );
    }
    // What was refused before any effect may be followed by success, and by doubt.
    let throttled = code(429, 99_991_400);
    let steps = [throttled.clone(), answer(200, queued)];
    assert_eq!(outcome(contract, feishu, batch, &steps).await, "ok 2");
    let steps = [throttled, Step::Close];
    assert_eq!(outcome(contract, feishu, batch, &steps).await, "unknown 2");
}

#[tokio::test]
async fn dingtalks_answers_to_a_message_have_their_verdicts() {
    let ok = r#"{"errcode":0,"errmsg":"ok","task_id":256271667526,"request_id":"r"}"#;
    let wrapped = |code: &str| {
        answer(
            200,
            format!(r#"{{"errcode":88,"sub_code":"{code}","sub_msg":"x"}}"#),
        )
    };
    let bare = |code: i64| answer(200, format!(r#"{{"errcode":{code},"errmsg":"x"}}"#));
    let mut table = vec![
        ("sent", answer(200, ok), "ok 1"),
        (
            "sent, as text",
            answer(200, r#"{"errcode":"0","task_id":"256271667526"}"#),
            "ok 1",
        ),
        ("no task", bare(0), "unknown 1"),
        ("dead token, wrapped", wrapped("40014"), "refused 2"),
        ("dead token, bare", bare(42_001), "refused 2"),
        ("app's limit, wrapped", wrapped("90018"), "refused 4"),
        ("receivers a minute", bare(41_047), "refused 4"),
        ("everyone, three times", bare(41_045), "refused 1"),
        ("month's allowance", bare(90_020), "refused 1"),
        ("agent", bare(40_056), "refused 1"),
        (
            "right, behind success",
            answer(200, r#"{"errcode":0,"sub_code":"60011"}"#),
            "refused 1",
        ),
        (
            "ban",
            answer(200, r#"{"status":1111,"punish":"deny"}"#),
            "refused 1",
        ),
        ("busy", bare(-1), "unknown 1"),
        ("fault inside", bare(500), "unknown 1"),
        ("wrapper of nothing", bare(88), "unknown 1"),
    ];
    table.extend(
        silence()
            .into_iter()
            .map(|(name, step)| (name, step, "unknown 1")),
    );
    let contract = Contract::dingtalk();
    let one = |channel: &Arc<dyn Channel>| notification(channel, &["user d1", "user d2"]);
    for (name, step, expected) in table {
        assert_eq!(
            outcome(contract, dingtalk, one, &[step]).await,
            expected,
            "{name}"
        );
    }
    let said = |status, code: &str| answer(status, format!(r#"{{"code":"{code}","message":"x"}}"#));
    for (name, step, expected) in [
        ("sent", answer(200, r#"{"processQueryKey":"k"}"#), "ok 1"),
        ("no key", answer(200, r#"{"x":"k"}"#), "unknown 1"),
        ("stopped", said(400, "bot.stopped"), "refused 1"),
        ("too fast", said(400, "send.too.fast"), "refused 4"),
        (
            "dead token",
            said(400, "InvalidAuthentication"),
            "refused 2",
        ),
        ("not known", said(400, "unknown.send.result"), "unknown 1"),
        ("fault inside", said(500, "system.error"), "unknown 1"),
        ("closed", Step::Close, "unknown 1"),
    ] {
        assert_eq!(
            outcome(contract, dingtalk, group, &[step]).await,
            expected,
            "{name}"
        );
    }
}

#[tokio::test]
async fn enoss_answers_to_a_notice_have_their_verdicts() {
    let portal = |data: &str| answer(200, format!(r#"{{"code":0,"message":"","data":{data}}}"#));
    let refused = |code: i64| answer(200, format!(r#"{{"code":{code},"message":"x"}}"#));
    let denied = refused(31_403);
    let contract = Contract::enos();
    for (name, steps, expected) in [
        ("flag", vec![portal("true")], "ok 1"),
        (
            "flag in an object",
            vec![portal(r#"{"success":true}"#)],
            "ok 1",
        ),
        (
            "older code",
            vec![answer(200, r#"{"code":200,"data":true}"#)],
            "ok 1",
        ),
        ("failed", vec![portal("false")], "refused 1"),
        (
            "failed in an object",
            vec![portal(r#"{"success":false}"#)],
            "refused 1",
        ),
        ("unsaid, and not there", vec![portal("null")], "unknown 2"),
        (
            "unsaid, and not told",
            vec![portal("null"), denied.clone()],
            "unknown 2",
        ),
        ("odd", vec![portal("7")], "unknown 4"),
        ("right", vec![denied.clone()], "refused 1"),
        ("seen before", vec![refused(1001)], "unknown 3"),
        ("dead token", vec![refused(1203)], "refused 2"),
        ("gate", vec![html(403)], "unknown 2"),
        ("lost, then sent", vec![Step::Close, portal("true")], "ok 2"),
        ("lost, then refused", vec![Step::Close, denied], "unknown 2"),
        ("lost", vec![Step::Close], "unknown 4"),
        ("busy", vec![html(503)], "unknown 4"),
        ("nowhere", vec![html(404)], "unknown 2"),
        (
            "refused as not found",
            vec![answer(404, r#"{"code":31404}"#)],
            "refused 1",
        ),
    ] {
        assert_eq!(
            outcome(contract, enos, notice, &steps).await,
            expected,
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_never_leaves_is_unreachable() {
    let server = Server::start([]).await;
    let mut settings = server.settings();
    settings.base_url = "http://127.0.0.1:1".to_owned();
    let agency = Agency {
        agent_id: Some(1),
        ..Agency::default()
    };
    let feishu = vendors::feishu(settings.clone()).unwrap().1.channel;
    let dingtalk = vendors::dingtalk(settings.clone(), agency).unwrap().channel;
    let enos = vendors::enos(settings, "o", Timestamp::now)
        .unwrap()
        .channel;
    let whom = ["user d1"];
    for (channel, parcel) in [
        (&feishu, message(&feishu)),
        (&feishu, batch(&feishu)),
        (&dingtalk, notification(&dingtalk, &whom)),
        (&enos, notice(&enos)),
    ] {
        assert_eq!(word(&channel.send(&parcel).await), "unreachable");
        // Nor does what another version has stored.
        let strange = Parcel {
            operation: "sendPigeon".to_owned(),
            ..parcel
        };
        assert_eq!(word(&channel.send(&strange).await), "unreachable");
        assert_eq!(channel.repeats(&strange), Repeat::Never);
    }
    let refused = word(&enos.recall(&notice(&enos), "m").await);
    assert_eq!(refused, "unreachable");
    for channel in [&dingtalk, &enos] {
        assert_eq!(word(&channel.upload(b"GIF89a").await), "unreachable");
    }
    let parcel = notification(&dingtalk, &whom);
    assert_eq!(
        word(&dingtalk.recall(&parcel, "no number").await),
        "unreachable"
    );
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_reply_that_is_lost_is_followed_by_what_the_contract_lets() {
    let server = Server::start([
        Step::Close,
        answer(200, r#"{"code":0,"data":{"message_id":"om_1"}}"#),
    ])
    .await;
    let channel = feishu(&server);
    let parcel = message(&channel);
    assert_eq!(word(&channel.send(&parcel).await), "unknown");
    let hour = SignedDuration::from_mins(55);
    assert_eq!(channel.repeats(&parcel), Repeat::For(hour));
    // From another process, with what it packs and what was stored.
    let later = feishu(&server);
    assert_eq!(message(&later), parcel);
    let sent = later.send(&parcel).await.unwrap();
    assert_eq!(sent.message.as_deref(), Some("om_1"));
    let seen = server.seen();
    assert_eq!(held(Contract::feishu(), &seen), ["createMessage"; 2]);
    assert_eq!(seen[0].body, seen[1].body);
    assert!(seen[0].body.contains(r#""uuid":""#));
    assert_eq!(
        seen[0].line,
        "POST /open-apis/im/v1/messages?receive_id_type=chat_id"
    );

    assert_eq!(channel.repeats(&batch(&channel)), Repeat::Never);
    let keyless = Parcel {
        body: parcel.body.replace("uuid", "other"),
        ..parcel
    };
    assert_eq!(channel.repeats(&keyless), Repeat::Never);
    let dingtalk = dingtalk(&server);
    for (whom, repeat) in [
        (["user d1"], Repeat::SameDay),
        (["department 7"], Repeat::SameDay),
        (["everyone"], Repeat::Never),
    ] {
        let parcel = notification(&dingtalk, &whom);
        assert_eq!(dingtalk.repeats(&parcel), repeat, "{whom:?}");
    }
    assert_eq!(dingtalk.repeats(&group(&dingtalk)), Repeat::Never);
    let enos = enos(&server);
    assert_eq!(enos.repeats(&notice(&enos)), Repeat::Always);
}

#[tokio::test]
async fn whom_feishu_does_not_take_is_told() {
    let body = r#"{"code":0,"data":{"message_id":"bm-1","invalid_department_ids":["dev","od-1"],
        "invalid_open_ids":["ou_1"],"invalid_user_ids":null,"invalid_union_ids":["on_3"]}}"#;
    let server = Server::start([answer(200, body)]).await;
    let channel = feishu(&server);
    let sent = channel.send(&batch(&channel)).await.unwrap();
    assert_eq!(sent.message.as_deref(), Some("bm-1"));
    let invalid: BTreeSet<To> = sent.invalid.into_iter().map(|(to, _)| to).collect();
    let whom = [
        "department dev",
        "department od-1",
        "user ou_1",
        "user on_3",
    ];
    assert_eq!(invalid, to(Vendor::Feishu, &whom).into_iter().collect());
    assert_eq!(
        held(Contract::feishu(), &server.seen()),
        ["batchSendMessage"]
    );
    assert_eq!(
        server.seen()[0].line,
        "POST /open-apis/message/v4/batch_send/"
    );
}

#[tokio::test]
async fn every_kind_that_feishu_sends_fits_the_contract() {
    let ok = answer(200, r#"{"code":0,"data":{"message_id":"m"}}"#);
    let server = Server::start(vec![ok; 20]).await;
    let channel = feishu(&server);
    let node = json!({"tag": "a", "text": "x", "href": "https://x"});
    let kinds = [
        ("text", json!({"text": "x"})),
        (
            "post",
            json!({"zh_cn": {"title": "t", "content": [[node]]}}),
        ),
        ("image", json!({"image_key": "img"})),
        ("share_chat", json!({"chat_id": ROOM})),
        ("interactive", json!({"elements": []})),
    ];
    let mut whom = to(Vendor::Feishu, &["user ou_1", "user on_2", "user u3"]);
    whom.push(To::Recipient(Recipient::email("li@example.com").unwrap()));
    for (kind, content) in kinds {
        let mut letter = Letter::new(kind, content);
        letter.people = People::OneByOne;
        let mut parcels = channel.pack(&letter, &whom, "k").unwrap();
        assert_eq!(parcels.len(), 4);
        letter.people = People::Together;
        parcels.push(only(channel.pack(&letter, &whom[..3], "k")));
        let last = parcels.len() - 1;
        for parcel in [&parcels[0], &parcels[3], &parcels[last]] {
            channel.send(parcel).await.unwrap();
        }
        // A batch has none but ids.
        let refused = channel.pack(&letter, &whom, "k").unwrap_err();
        assert!(refused.contains("e-mail") && !refused.contains("example.com"));
    }
    let operations = held(Contract::feishu(), &server.seen());
    let batches = operations.iter().filter(|id| *id == "batchSendMessage");
    assert_eq!((operations.len(), batches.count()), (15, 5));
    let pending = [chat("chat.oncall-room")];
    assert!(
        channel
            .pack(&text(), &pending, "k")
            .unwrap_err()
            .contains("no id yet")
    );
    assert!(channel.pack(&text(), &[], "k").unwrap().is_empty());
}

#[tokio::test]
async fn feishu_counts_who_has_a_batch_and_takes_it_back_once() {
    let progress = |sent: &str, recall: bool| {
        let body = format!(
            r#"{{"code":0,"data":{{"batch_message_send_progress":{sent},"batch_message_recall_progress":{{"recall":{recall},"recall_count":0}}}}}}"#
        );
        answer(200, body)
    };
    let read = answer(
        200,
        r#"{"code":0,"data":{"read_user":{"read_count":"7","total_count":"204"}}}"#,
    );
    let counts = |valid, success| {
        format!(
            r#"{{"valid_user_ids_count":{valid},"success_user_ids_count":{success},"read_user_ids_count":5}}"#
        )
    };
    let server = Server::start([]).await;
    let channel = feishu(&server);
    let parcel = batch(&channel);
    let mut said = String::new();
    for step in [
        progress(&counts(204, 200), false),
        progress(&counts(204, 204), true),
        progress(&counts(0, 0), false),
        progress("null", false),
    ] {
        server.script([step, read.clone()]);
        let receipt = channel.receipt(&parcel, "bm-1").await.unwrap();
        let _ = writeln!(said, "{receipt:?}");
    }
    insta::assert_snapshot!(said, @r"
    Receipt { valid: Some(204), delivered: Some(200), read: Some(7), readers: [], refused: [], is_done: false, is_recalled: false, untold: None }
    Receipt { valid: Some(204), delivered: Some(204), read: Some(7), readers: [], refused: [], is_done: true, is_recalled: true, untold: None }
    Receipt { valid: None, delivered: None, read: Some(7), readers: [], refused: [], is_done: false, is_recalled: false, untold: None }
    Receipt { valid: None, delivered: None, read: Some(7), readers: [], refused: [], is_done: false, is_recalled: false, untold: None }
    ");
    let begun = server.calls();
    assert_eq!(begun, 8);
    server.script([
        progress(&counts(1, 1), false),
        answer(200, r#"{"code":0,"data":{}}"#),
    ]);
    channel.recall(&parcel, "bm-1").await.unwrap();
    server.script([progress(&counts(1, 1), true)]);
    channel.recall(&parcel, "bm-1").await.unwrap();
    // One that cannot be followed can be taken back.
    server.script([code(400, 230_012), code(400, 230_009)]);
    assert_eq!(word(&channel.recall(&parcel, "bm-1").await), "refused");
    let operations = held(Contract::feishu(), &server.seen());
    let [progress, recall] = ["getBatchMessageProgress", "recallBatchMessage"];
    assert_eq!(
        operations[8..],
        [progress, recall, progress, progress, recall]
    );
}

#[tokio::test]
async fn feishu_names_who_has_read_a_message() {
    let page = |ids: &[&str], more: bool| {
        let items: Vec<Value> = ids
            .iter()
            .map(|id| json!({"user_id_type": "open_id", "user_id": id, "timestamp": "1", "tenant_key": "t"}))
            .collect();
        let data =
            json!({"items": items, "has_more": more, "page_token": if more { "p" } else { "" }});
        answer(200, json!({"code": 0, "data": data}).to_string())
    };
    let server = Server::start([page(&["ou_1", "ou_2"], true), page(&["ou_3"], false)]).await;
    let channel = feishu(&server);
    let parcel = message(&channel);
    let receipt = channel.receipt(&parcel, "om_1").await.unwrap();
    let readers = ["ou_1", "ou_2", "ou_3"].map(|id| Recipient::OpenId(id.into()));
    assert_eq!((receipt.read, receipt.readers), (Some(3), readers.to_vec()));
    assert_eq!(
        (receipt.valid, receipt.is_done, receipt.is_recalled),
        (None, true, false)
    );
    let mut letter = text();
    letter.people = People::OneByOne;
    let person = only(channel.pack(&letter, &to(Vendor::Feishu, &["user ou_1"]), "k"));
    server.script([code(400, 230_110)]);
    let receipt = channel.receipt(&person, "om_1").await.unwrap();
    assert!(receipt.is_recalled);
    assert_eq!((receipt.valid, receipt.read), (Some(1), None));
    server.script([code(400, 230_033)]);
    assert_eq!(word(&channel.receipt(&parcel, "om_1").await), "refused");

    server.script([
        code(400, 230_110),
        html(502),
        answer(200, r#"{"code":0,"data":null}"#),
        code(400, 230_009),
    ]);
    for expected in ["ok", "ok", "refused"] {
        assert_eq!(word(&channel.recall(&parcel, "om_1").await), expected);
    }
    let operations = held(Contract::feishu(), &server.seen());
    let read = operations.iter().filter(|id| *id == "listMessageReadUsers");
    assert_eq!((read.count(), operations.len()), (4, 8));
}

#[tokio::test]
async fn an_image_is_uploaded_as_it_is() {
    let key = answer(200, r#"{"code":0,"data":{"image_key":"img_1"}}"#);
    let server = Server::start([html(502), key, code(400, 234_011)]).await;
    let channel = feishu(&server);
    assert_eq!(channel.upload(b"GIF89a\r\n--").await.unwrap(), "img_1");
    assert_eq!(word(&channel.upload(b"x").await), "refused");
    for image in [Vec::new(), vec![0; 10 * 1024 * 1024 + 1]] {
        assert_eq!(word(&channel.upload(&image).await), "unreachable");
    }
    let seen = server.seen();
    assert_eq!(held(Contract::feishu(), &seen), ["uploadImage"; 3]);
    let kind = seen[0].header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let parts: Vec<&str> = seen[1].body.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "{}", seen[1].body);
    assert!(parts[1].contains(r#"name="image_type""#) && parts[1].ends_with("\r\n\r\nmessage\r\n"));
    assert!(parts[2].contains(r#"name="image"; filename="#));
    assert!(parts[2].ends_with("\r\n\r\nGIF89a\r\n--\r\n"));
    assert_eq!(parts[3], "--\r\n");
}

#[tokio::test]
async fn dingtalk_is_asked_for_the_result_when_it_is_done() {
    let progress = |status: u8| {
        answer(
            200,
            format!(r#"{{"errcode":0,"progress":{{"progress_in_percent":50,"status":{status}}}}}"#),
        )
    };
    let server = Server::start([progress(1)]).await;
    let channel = dingtalk(&server);
    let parcel = notification(&channel, &["user d1", "user d2", "user d3"]);
    let receipt = channel.receipt(&parcel, "256271667526").await.unwrap();
    assert_eq!(
        (receipt.is_done, receipt.delivered, server.calls()),
        (false, None, 1)
    );
    let result = r#"{"errcode":0,"send_result":{"read_user_id_list":["d1"],"unread_user_id_list":[],"forbidden_list":[{"code":"143106","count":1,"userid":"d2"}]}}"#;
    server.script([progress(2), answer(200, result)]);
    let receipt = channel.receipt(&parcel, "256271667526").await.unwrap();
    let refused: Vec<&To> = receipt.refused.iter().map(|(to, _)| to).collect();
    assert_eq!(refused, [&to(Vendor::DingTalk, &["user d2"])[0]]);
    assert_eq!((receipt.delivered, receipt.read), (Some(1), Some(1)));
    assert!(
        receipt.is_done
            && receipt
                .untold
                .is_some_and(|words| words.contains("nothing of 1"))
    );

    // Nobody can be asked about where nobody knows how many there are.
    for whom in ["department 7", "everyone"] {
        let many = notification(&channel, &[whom]);
        server.script([progress(2)]);
        let before = server.calls();
        let receipt = channel.receipt(&many, "1").await.unwrap();
        assert!(receipt.is_done && receipt.untold.is_some_and(|words| words.contains("100")));
        assert_eq!((receipt.delivered, server.calls() - before), (None, 1));
    }
    server.script([progress(2), answer(200, r#"{"errcode":41052}"#)]);
    assert_eq!(word(&channel.receipt(&parcel, "1").await), "unknown");

    let before = server.calls();
    server.script([
        answer(200, r#"{"errcode":0}"#),
        answer(200, r#"{"errcode":400002}"#),
    ]);
    for expected in ["ok", "refused"] {
        assert_eq!(
            word(&channel.recall(&parcel, "256271667526").await),
            expected
        );
    }
    let robot = group(&channel);
    let receipt = channel.receipt(&robot, "k").await.unwrap();
    assert!(receipt.untold.is_some() && !receipt.is_done);
    assert_eq!(word(&channel.recall(&robot, "k").await), "unreachable");
    let seen = server.seen();
    let operations = held(Contract::dingtalk(), &seen);
    assert_eq!(operations[before..], ["recallWorkNotification"; 2]);
    assert_eq!(
        seen[before].body,
        r#"{"agent_id":781348,"msg_task_id":256271667526}"#
    );
    assert_eq!(
        seen[0].body,
        r#"{"agent_id":781348,"task_id":256271667526}"#
    );
}

#[tokio::test]
async fn each_of_dingtalks_hosts_gets_the_token_where_it_looks() {
    let task = answer(200, r#"{"errcode":0,"task_id":1}"#);
    let server = Server::start([task, answer(200, r#"{"processQueryKey":"k"}"#)]).await;
    let channel = dingtalk(&server);
    let sent = channel.send(&notification(&channel, &["everyone"])).await;
    assert_eq!(sent.unwrap().message.as_deref(), Some("1"));
    let sent = channel.send(&group(&channel)).await;
    assert_eq!(sent.unwrap().message.as_deref(), Some("k"));
    let seen = server.seen();
    held(Contract::dingtalk(), &seen);
    let header = |seen: &Seen| {
        seen.header("x-acs-dingtalk-access-token")
            .map(str::to_owned)
    };
    let asyncsend = "POST /topapi/message/corpconversation/asyncsend_v2?access_token=t-1";
    assert_eq!((seen[0].line.as_str(), header(&seen[0])), (asyncsend, None));
    let robot = "POST /v1.0/robot/groupMessages/send";
    assert_eq!(
        (seen[1].line.as_str(), header(&seen[1])),
        (robot, Some("t-1".to_owned()))
    );
}

#[tokio::test]
async fn enos_is_signed_for_its_ou_and_asked_on_the_path_that_it_serves() {
    let yes = || answer(200, r#"{"code":0,"data":true}"#);
    let server = Server::start([html(404), yes(), yes()]).await;
    let channel = enos(&server);
    let parcel = notice(&channel);
    for _ in 0..2 {
        let Sent { message, invalid } = channel.send(&parcel).await.unwrap();
        assert!(parcel.body.contains(&message.unwrap()) && invalid.is_empty());
    }
    let there = |id: &str| {
        let messages = json!([{"messageId": id, "targets": ["u1"]}]);
        answer(
            200,
            json!({"code": 0, "data": {"messages": messages}}).to_string(),
        )
    };
    let body: Value = serde_json::from_str(&parcel.body).unwrap();
    let id = body["messages"][0]["messageId"].as_str().unwrap();
    server.script([
        there(id),
        there("another"),
        answer(200, r#"{"code":0,"data":null}"#),
        there(id),
    ]);
    for is_done in [true, false] {
        let receipt = channel.receipt(&parcel, id).await.unwrap();
        assert_eq!((receipt.is_done, receipt.delivered), (is_done, None));
    }
    // An answer that says nothing is followed by a look.
    assert!(channel.send(&parcel).await.is_ok());
    let seen = server.seen();
    let operations = held(Contract::enos(), &seen);
    let [produce, get] = ["produceNoticeMessages", "getNoticeMessage"];
    assert_eq!(
        operations,
        [produce, produce, produce, get, get, produce, get]
    );
    let older: Vec<bool> = seen
        .iter()
        .map(|seen| seen.line.contains("/v2.2/"))
        .collect();
    assert_eq!(older, [false, true, true, true, true, true, true]);
    for seen in &seen {
        assert!(seen.line.ends_with("?orgId=o+1"), "{}", seen.line);
        let time = seen.header("apim-timestamp").unwrap();
        let signed = format!("t-1orgIdo 1{}{time}{SECRET}", seen.body);
        let digest: String = Sha256::digest(signed)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(seen.header("apim-signature"), Some(digest.as_str()));
    }
}

#[tokio::test]
async fn one_client_has_one_token_for_all_its_jobs() {
    let server = Server::start([code(400, 230_002), code(400, 1_470_400)]).await;
    let (writer, jobs) = vendors::feishu(server.settings()).unwrap();
    assert_eq!(
        word(&jobs.channel.send(&message(&jobs.channel)).await),
        "refused"
    );
    assert_eq!(word(&writer.tasklists().await), "refused");
    assert_eq!(jobs.channel.app(), writer.app());
    assert_eq!(jobs.channel.timeout_ms(), writer.timeout_ms());
    assert_eq!(server.tokens(), 1);

    let server = Server::start([
        answer(200, r#"{"errcode":41045}"#),
        answer(200, r#"{"errcode":60011}"#),
    ])
    .await;
    let agency = Agency {
        agent_id: Some(1),
        ..Agency::default()
    };
    let jobs = vendors::dingtalk(server.settings(), agency).unwrap();
    let parcel = notification(&jobs.channel, &["user d1"]);
    assert_eq!(word(&jobs.channel.send(&parcel).await), "refused");
    let whom = [Recipient::UserId("d1".into())];
    assert_eq!(word(&jobs.directory.look_up(&whom).await), "refused");
    assert_eq!((server.calls(), server.tokens()), (2, 1));
}

#[tokio::test]
async fn messages_and_people_are_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // With one subscriber alive, tracing asks the thread that first meets an event whether anybody
    // listens, and that may be another test's; with two it asks both.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);

    let private = ["li@example.com", "13800000001", "明天", SECRET, "t-1"];
    let echo = "li@example.com +8613800000001 not-a-real-secret t-1";
    let steps = |code: i64| {
        let words = format!(r#""msg":"{echo}","message":"{echo}","errmsg":"{echo}""#);
        [
            answer(
                200,
                format!(r#"{{"code":{code},"errcode":{code},{words}}}"#),
            ),
            answer(
                200,
                format!(r#"{{"code":0,"errcode":0,{words},"data":{{"text":"明天 {echo}"}}}}"#),
            ),
            answer(
                200,
                format!(r#"{{"code":0,"errcode":0,"data":{{"text":"明天 {echo}"#),
            ),
            with(502, "", echo),
        ]
    };
    let mut said = String::new();
    for code in [230_002, 11_203, 41_045, 31_403, 4711] {
        for step in steps(code) {
            // A server each, as a client knows only the tokens that are its own.
            let servers = [
                Server::start([]).await,
                Server::start([]).await,
                Server::start([]).await,
            ];
            let (feishu, dingtalk) = (feishu(&servers[0]), dingtalk(&servers[1]));
            let enos = enos(&servers[2]);
            let mut letter = text();
            letter.people = People::OneByOne;
            let email = To::Recipient(Recipient::email("li@example.com").unwrap());
            let by_email = only(feishu.pack(&letter, &[email], "k"));
            let _ = writeln!(said, "{letter:?}");
            for (channel, parcel) in [
                (&feishu, by_email),
                (&feishu, batch(&feishu)),
                (&dingtalk, notification(&dingtalk, &["user d1"])),
                (&dingtalk, group(&dingtalk)),
                (&enos, notice(&enos)),
            ] {
                for server in &servers {
                    server.script(vec![step.clone(); 8]);
                }
                if let Err(error) = channel.send(&parcel).await {
                    let _ = writeln!(said, "{parcel:?} {error:?} {}", error.with_hint());
                }
                if let Err(error) = channel.receipt(&parcel, "1").await {
                    let _ = writeln!(said, "{error:?} {}", error.with_hint());
                }
            }
        }
    }
    assert!(
        said.contains("[private]") && said.contains("[secret]"),
        "{said}"
    );
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("batchSendMessage") && log.contains("produceNoticeMessages"));
    for text in [&said, &log] {
        for secret in private {
            let found = text.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{secret}");
        }
    }
}
