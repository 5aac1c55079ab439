//! Uploading images to Feishu, and whose they are.

use beadle::sandbox::{APP_ID, APP_SECRET, Options};
use serde_json::{Value, json};

use super::messages::{create, peopled};
use super::{Reply, Stage};

const IMAGES: &str = "/open-apis/im/v1/images";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01";

async fn upload(stage: &Stage, kind: Option<&str>, file: Option<&[u8]>) -> Reply {
    let mut body = Vec::new();
    let mut part = |head: &str, bytes: &[u8]| {
        let head = format!("--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n");
        body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    };
    if let Some(kind) = kind {
        part("name=\"image_type\"", kind.as_bytes());
    }
    if let Some(file) = file {
        part("name=\"image\"; filename=\"image\"", file);
    }
    body.extend(b"--edge--\r\n");
    let url = format!("{}{IMAGES}", stage.sandbox.base_url());
    let request = stage
        .client
        .post(url)
        .bearer_auth(stage.token())
        .header("Content-Type", "multipart/form-data; boundary=edge")
        .body(body);
    let response = request.send().await.unwrap();
    let reply = Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    };
    stage.validate("POST", IMAGES, &reply);
    reply
}

pub(super) async fn image(stage: &Stage) -> String {
    let reply = upload(stage, Some("message"), Some(PNG)).await.json();
    reply["data"]["image_key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_image_has_a_kind_and_a_size() {
    let mut stage = peopled(Options::default()).await;
    let png = |width: u32, height: u32| {
        let mut bytes = PNG[..16].to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes
    };
    let gif = |width: u16| {
        let mut bytes = b"GIF89a".to_vec();
        bytes.extend(width.to_le_bytes());
        bytes.extend([1, 0]);
        bytes
    };
    let padded = |bytes: usize| {
        let mut file = PNG.to_vec();
        file.resize(bytes, 0);
        file
    };
    let (message, avatar) = (Some("message"), Some("avatar"));
    #[rustfmt::skip]
    let cases = [
        (message, Some(PNG.to_vec()), 0),
        (None, Some(PNG.to_vec()), 234001),
        (Some("banner"), Some(PNG.to_vec()), 234001),
        (message, None, 234001),
        (message, Some(Vec::new()), 234010),
        (message, Some(b"%PDF-1.7".to_vec()), 234011),
        (message, Some(padded(10_000_000)), 0),
        (message, Some(padded(10_000_001)), 234006),
        (message, Some(png(12_000, 12_000)), 0),
        (message, Some(png(12_001, 1)), 234039),
        (avatar, Some(png(4_096, 4_096)), 0),
        (avatar, Some(png(1, 4_097)), 234039),
        (message, Some(gif(2_000)), 0),
        (message, Some(gif(2_001)), 234039),
    ];
    for (kind, file, code) in cases {
        let reply = upload(&stage, kind, file.as_deref()).await;
        let size = file.map(|file| file.len());
        assert_eq!(reply.code(), code, "{kind:?} {size:?} {reply:?}");
    }
    let json = stage
        .call("POST", IMAGES, json!({"image_type": "message"}))
        .await;
    assert_eq!(json.code(), 234001);
    let log = stage
        .control("GET", "/calls?operation=uploadImage", Value::Null)
        .await;
    let first = json!({"image_type": "message", "image": "(24 bytes)"});
    assert_eq!(log["calls"][0]["body"], first);

    // A key is the app's that has uploaded the image.
    let key = image(&stage).await;
    stage.become_app("cli_other").await;
    let content = json!({"image_key": key});
    let body = json!({"receive_id": "ou_a", "msg_type": "image", "content": content.to_string()});
    assert_eq!(create(&stage, "open_id", body).await.code(), 230017);
    let body = json!({"open_ids": ["ou_a"], "msg_type": "image", "content": content});
    let path = "/open-apis/message/v4/batch_send/";
    assert_eq!(stage.call("POST", path, body.clone()).await.code(), 11227);
    stage.token = stage.token_of(APP_ID, APP_SECRET).await;
    assert_eq!(stage.call("POST", path, body).await.code(), 0);
    stage
        .control("POST", "/tenant", json!({"bots_off": true}))
        .await;
    assert_eq!(upload(&stage, message, Some(PNG)).await.code(), 234007);
}
