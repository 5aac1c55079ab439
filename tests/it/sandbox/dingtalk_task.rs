//! What becomes of a work notification of DingTalk: progress, result, recall, status bar.

use serde_json::{Value, json};

use super::Stage;
use super::dingtalk_send::{WORK, advance, ask, outcome, peopled, result, send, work};

async fn progress(stage: &Stage, task: i64) -> Value {
    let body = json!({"agent_id": 42, "task_id": task});
    ask(stage, &format!("{WORK}/getsendprogress"), &body).await
}

#[tokio::test]
async fn the_result_names_everybody_in_the_end() {
    let stage = peopled().await;
    let mut body = work("d1,nobody,left,far,d3,ou_feishu", "hello");
    body["dept_id_list"] = json!("8,9,99");
    let task = send(&stage, body).await;
    let early = progress(&stage, task).await["progress"].clone();
    assert_eq!(early, json!({"progress_in_percent": 0, "status": 0}));
    let early = result(&stage, task).await["send_result"].clone();
    assert_eq!(
        early["unread_user_id_list"],
        json!([]),
        "no sign that it is not done"
    );
    advance(&stage, 5).await;
    let read = json!({"person": "d3", "message": task.to_string()});
    stage.control("POST", "/read", read).await;
    let done = progress(&stage, task).await["progress"].clone();
    assert_eq!(done, json!({"progress_in_percent": 100, "status": 2}));
    let lists = result(&stage, task).await["send_result"].clone();
    assert_eq!(
        lists,
        json!({
            "invalid_user_id_list": ["nobody", "left", "far", "ou_feishu"],
            "invalid_dept_id_list": [9, 99],
            "forbidden_list": [],
            "failed_user_id_list": [],
            "read_user_id_list": ["d3"],
            "unread_user_id_list": ["d1", "d2"],
        })
    );
    let department = json!({"agent_id": 42, "dept_id_list": "7", "msg": work("", "other")["msg"]});
    assert_eq!(outcome(&stage, department).await.0, json!(["d1", "d2"]));
    let root = json!({"agent_id": 42, "dept_id_list": "1", "msg": work("", "root")["msg"]});
    assert_eq!(outcome(&stage, root).await.0, json!(["d1", "d2", "d3"]));
}

#[tokio::test]
async fn progress_runs_with_the_clock() {
    let stage = peopled().await;
    let people: Vec<Value> = (0..100)
        .map(|n| json!({"dingtalk_user_id": format!("m{n}")}))
        .collect();
    stage.control("POST", "/users", json!(people)).await;
    let clock = json!({"at": "2030-01-15T02:00:00Z"});
    stage.control("POST", "/clock", clock).await;
    let everybody: Vec<String> = (0..100).map(|n| format!("m{n}")).collect();
    let task = send(&stage, work(&everybody.join(","), "hello")).await;
    let mut seen = Vec::new();
    for ms in [0, 1_400, 5_000] {
        stage
            .control("POST", "/clock", json!({"advance_ms": ms}))
            .await;
        seen.push(progress(&stage, task).await["progress"].clone());
    }
    assert_eq!(seen[0]["status"], 0);
    assert_eq!(seen[2], json!({"progress_in_percent": 100, "status": 2}));
    let half = seen[1]["progress_in_percent"].as_i64().unwrap();
    assert!(
        seen[1]["status"] == 1 && (20..100).contains(&half),
        "{seen:?}"
    );
    let lists = result(&stage, task).await["send_result"].clone();
    assert_eq!(lists["unread_user_id_list"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn above_a_hundred_receivers_there_is_no_result() {
    let stage = peopled().await;
    let people: Vec<Value> = (0..99)
        .map(|n| json!({"dingtalk_user_id": format!("m{n}"), "departments": [8]}))
        .collect();
    stage.control("POST", "/users", json!(people)).await;
    let to =
        |dept: &str| json!({"agent_id": 42, "dept_id_list": dept, "msg": work("", "hi")["msg"]});
    let fine = send(&stage, to("8")).await;
    let many = send(&stage, to("7")).await;
    advance(&stage, 10).await;
    let lists = result(&stage, fine).await["send_result"].clone();
    assert_eq!(lists["unread_user_id_list"].as_array().unwrap().len(), 100);
    assert_eq!(result(&stage, many).await["errcode"], 41052);
    assert_eq!(progress(&stage, many).await["progress"]["status"], 2);
}

#[tokio::test]
async fn a_task_is_its_agents_for_a_day() {
    let stage = peopled().await;
    let task = send(&stage, work("d1,d2", "hello")).await;
    advance(&stage, 5).await;
    let recall =
        async |body: Value| ask(&stage, &format!("{WORK}/recall"), &body).await["errcode"].clone();
    for (agent, task) in [
        (json!(43), json!(task)),
        (json!(42), json!(1)),
        (json!(42), Value::Null),
    ] {
        for what in ["getsendprogress", "getsendresult"] {
            let body = json!({"agent_id": agent, "task_id": task});
            let answer = ask(&stage, &format!("{WORK}/{what}"), &body).await;
            assert_eq!(answer["errcode"], 40035, "{body}");
        }
        let body = json!({"agent_id": agent, "msg_task_id": task});
        assert_eq!(recall(body).await, 400002);
    }
    assert_eq!(
        recall(json!({"agent_id": 42, "task_id": task})).await,
        400002
    );
    let own = json!({"agent_id": 42, "msg_task_id": task});
    assert_eq!(recall(own.clone()).await, 0);
    assert_eq!(recall(own.clone()).await, 0);
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    assert!(inbox["people"][0]["messages"][0]["recalled"].is_string());
    let early = send(&stage, work("d1", "withdrawn at once")).await;
    assert_eq!(
        recall(json!({"agent_id": 42, "msg_task_id": early})).await,
        0
    );
    advance(&stage, 10).await;
    let lists = result(&stage, early).await["send_result"].clone();
    assert_eq!(lists["unread_user_id_list"], json!([]));
    assert_eq!(progress(&stage, early).await["progress"]["status"], 2);
    advance(&stage, 24 * 3600).await;
    assert_eq!(progress(&stage, task).await["errcode"], 40035);
    assert_eq!(result(&stage, task).await["errcode"], 40035);
    assert_eq!(recall(own).await, 400002);
}

#[tokio::test]
async fn the_status_bar_of_an_oa_message_can_change() {
    let stage = peopled().await;
    let oa = json!({"message_url": "u", "head": {"bgcolor": "FFBBBBBB", "text": "h"}, "body": {},
        "status_bar": {"status_value": "open"}});
    let body = json!({"agent_id": 42, "userid_list": "d1", "msg": {"msgtype": "oa", "oa": oa}});
    let task = send(&stage, body).await;
    let plain = send(&stage, work("d1", "hello")).await;
    let update = async |fields: Value| {
        let mut body = json!({"agent_id": 42, "task_id": task, "status_value": "done"});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        ask(&stage, &format!("{WORK}/status_bar/update"), &body).await["errcode"].clone()
    };
    assert_eq!(update(json!({})).await, 41052);
    advance(&stage, 5).await;
    for (fields, code) in [
        (json!({}), 0),
        (json!({"status_bg": "0xFF00FF00"}), 0),
        (json!({"status_bg": "green"}), 40035),
        (json!({"status_value": ""}), 40035),
        (json!({"agent_id": "x"}), 40056),
        (json!({"agent_id": 43}), 40035),
        (json!({"task_id": plain}), 40035),
    ] {
        assert_eq!(update(fields.clone()).await, code, "{fields}");
    }
    advance(&stage, 7 * 24 * 3600).await;
    assert_eq!(update(json!({})).await, 40035);
}
