//! The channels against the sandbox, which plays the vendors and shares nothing with their clients.

use beadle::engine::channel::{Letter, To};
use beadle::model::AppId;
use beadle::model::manifest::Vendor;
use beadle::sandbox::{APP_ID, APP_SECRET};
use beadle::vendors::{self, Agency, Settings};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{chat, only, text, to, word};
use crate::sandbox::Stage;
use crate::support::contract::Contract;

const ROOM: &str = "oc_a0553eda9014c201e6969b478895c230";

fn settings(stage: &Stage) -> Settings {
    let url = stage.sandbox.base_url();
    let mut settings = Settings::new(&url, AppId::new(APP_ID), APP_SECRET.into());
    settings.paced = false;
    settings.patience.first = std::time::Duration::from_millis(1);
    settings
}

async fn fault(stage: &Stage, text: &str) {
    stage
        .control("POST", "/faults", json!({"fault": text}))
        .await;
}

/// How many messages each has got, by name.
async fn got(stage: &Stage) -> Value {
    let log = stage.control("GET", "/calls", Value::Null).await;
    Contract::feishu().check_calls(&log).unwrap();
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    let people = inbox["people"].as_array().unwrap().iter();
    // What was dropped is listed too, with why.
    let count = |one: &Value| {
        let messages = one["messages"].as_array().unwrap().iter();
        messages.filter(|m| m["dropped"].is_null()).count()
    };
    let rows = people.map(|one| (one["name"].as_str().unwrap().to_owned(), json!(count(one))));
    Value::Object(rows.collect())
}

#[tokio::test]
async fn feishu_delivers_a_message_once_and_a_batch_to_whom_it_knows() {
    let stage = Stage::new().await;
    let people = json!([{"open_id": "ou_a", "name": "Ada"}, {"open_id": "ou_b", "name": "Bo"}]);
    stage.control("POST", "/users", people).await;
    let member = json!({"user": "ou_a"});
    stage
        .control("POST", &format!("/chats/{ROOM}/members"), member)
        .await;
    let channel = vendors::feishu(settings(&stage)).unwrap().1.channel;
    let parcel = only(channel.pack(&text(), &[chat(ROOM)], "k"));
    fault(&stage, "lost-reply@createMessage:1").await;
    assert_eq!(word(&channel.send(&parcel).await), "unknown");
    let message = channel.send(&parcel).await.unwrap().message.unwrap();
    assert_eq!(got(&stage).await, json!({"Ada": 1}));
    assert!(channel.receipt(&parcel, &message).await.unwrap().is_done);
    channel.recall(&parcel, &message).await.unwrap();
    channel.recall(&parcel, &message).await.unwrap();
    assert!(
        channel
            .receipt(&parcel, &message)
            .await
            .unwrap()
            .is_recalled
    );

    let whom = to(Vendor::Feishu, &["user ou_a", "user ou_b", "user ou_x"]);
    let parcel = only(channel.pack(&text(), &whom, "k"));
    let sent = channel.send(&parcel).await.unwrap();
    let invalid: Vec<&To> = sent.invalid.iter().map(|(to, _)| to).collect();
    assert_eq!(invalid, [&whom[2]]);
    let message = sent.message.unwrap();
    assert_eq!(got(&stage).await["Bo"], 1);
    channel.receipt(&parcel, &message).await.unwrap();
    channel.recall(&parcel, &message).await.unwrap();
    assert!(
        channel
            .receipt(&parcel, &message)
            .await
            .unwrap()
            .is_recalled
    );
}

#[tokio::test]
async fn dingtalk_drops_what_somebody_has_had_today() {
    let stage = Stage::new().await;
    let now = json!({"at": "2030-01-15T02:00:00Z"});
    stage.control("POST", "/clock", now).await;
    let people = json!([
        {"dingtalk_user_id": "d1", "name": "Ada"}, {"dingtalk_user_id": "d2", "name": "Bo"},
    ]);
    stage.control("POST", "/users", people).await;
    let agency = Agency {
        agent_id: Some(781_348),
        ..Agency::default()
    };
    let channel = vendors::dingtalk(settings(&stage), agency).unwrap().channel;
    let letter = Letter::new("markdown", json!({"title": "T", "text": "**10:00**"}));
    let whom = to(Vendor::DingTalk, &["user d1", "user d2"]);
    let parcel = only(channel.pack(&letter, &whom, "k"));
    fault(&stage, "lost-reply@dingtalk.sendWorkNotification:1").await;
    assert_eq!(word(&channel.send(&parcel).await), "unknown");
    let message = channel.send(&parcel).await.unwrap().message.unwrap();
    assert_eq!(got(&stage).await, json!({"Ada": 1, "Bo": 1}));
    let later = json!({"at": "2030-01-15T02:05:00Z"});
    stage.control("POST", "/clock", later).await;
    let receipt = channel.receipt(&parcel, &message).await.unwrap();
    assert!(receipt.is_done, "{receipt:?}");
    let dropped = receipt.refused.iter();
    assert!(
        dropped.clone().all(|(_, why)| why.contains("143106")),
        "{receipt:?}"
    );
    assert_eq!(dropped.count(), 2);
    channel.recall(&parcel, &message).await.unwrap();
}

#[tokio::test]
async fn enos_delivers_a_notice_once_to_everybody_in_its_ou() {
    let stage = Stage::new().await;
    let people = json!([
        {"enos_user_id": "u1", "name": "Ada"}, {"enos_user_id": "u2", "name": "Bo"},
    ]);
    stage.control("POST", "/users", people).await;
    let jobs = vendors::enos(settings(&stage), "o_sandbox", Timestamp::now).unwrap();
    let channel = jobs.channel;
    let body = json!({"body": {"defaultValue": "10:00", "i18nValue": {"zh_CN": "十点"}}});
    let letter = Letter::new("notice", body);
    let whom = to(Vendor::Enos, &["user u1", "user nobody"]);
    let parcel = only(channel.pack(&letter, &whom, "k"));
    fault(&stage, "lost-reply@enos.produceNoticeMessages:1").await;
    let message = channel.send(&parcel).await.unwrap().message.unwrap();
    assert_eq!(got(&stage).await, json!({"Ada": 1}));
    assert!(channel.receipt(&parcel, &message).await.unwrap().is_done);
    let everyone = to(Vendor::Enos, &["everyone"]);
    let parcel = only(channel.pack(&letter, &everyone, "another"));
    assert!(!channel.receipt(&parcel, "m").await.unwrap().is_done);
    channel.send(&parcel).await.unwrap();
    assert_eq!(got(&stage).await, json!({"Ada": 2, "Bo": 1}));
}
