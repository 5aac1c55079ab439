//! Messages: what users write, what each vendor makes of it, and what is found before anything is sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use beadle::model::diagnostic::{FileId, Sources, has_errors};
use beadle::model::manifest::Vendor;
use beadle::model::message::image::{BadImage, ImageKind, MAX_IMAGE_BYTES, inspect};
use beadle::model::message::{
    Context, ImageSource, Locale, Message, RenderError, Rendered, Target, Template, carries, check,
    plain_text, render,
};
use beadle::model::parse::{self, Inputs, Secrets, World};
use beadle::model::{Address, Diagnostic};
use insta::assert_snapshot;
use jiff::Zoned;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::contract::Contract;

/// Reads a message, with `team` for `${var:team}`.
fn read(text: &str) -> (Sources, Option<Message>, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    sources.add("message.yaml", text);
    let inputs = Inputs {
        vars: &[("team".to_owned(), "ops".to_owned())].into(),
        env: &|_| None,
        file: &|_, _| Err("there is no disk here".to_owned()),
        allow_hosts: &[],
        secrets: Secrets::Skip,
        world: World::Real,
    };
    let (message, found) = parse::message(&sources, FileId(0), &inputs);
    assert_eq!(message.is_none(), has_errors(&found));
    (sources, message, found)
}

#[track_caller]
fn message(text: &str) -> Message {
    let (sources, message, found) = read(text);
    message.unwrap_or_else(|| panic!("{}", shown(&sources, &found)))
}

/// Each diagnostic: its place with the words there, its code, summary and help.
fn shown(sources: &Sources, found: &[Diagnostic]) -> String {
    let mut out = String::new();
    for d in found {
        let span = d.span.unwrap();
        let words = &sources.get(span.file).text[span.start as usize..span.end as usize];
        let words: String = words.chars().take(40).collect();
        let place = sources.locate(span);
        writeln!(out, "{place} {words:?} {}\n  {}", d.code, d.summary).unwrap();
        if let Some(help) = &d.help {
            writeln!(out, "  {help}").unwrap();
        }
    }
    out
}

/// What is found when a message is read.
fn mistakes(text: &str) -> String {
    let (sources, _, found) = read(text);
    shown(&sources, &found)
}

const EVERYBODY: [(Vendor, Target); 4] = [
    (Vendor::Feishu, Target::Chat),
    (Vendor::Feishu, Target::People),
    (Vendor::DingTalk, Target::People),
    (Vendor::Enos, Target::People),
];

/// A Wednesday.
fn scheduled() -> Zoned {
    "2026-11-25T10:00[Asia/Shanghai]".parse().unwrap()
}

fn with<T>(at: &Zoned, then: impl FnOnce(Context<'_>) -> T) -> T {
    let vars: BTreeMap<String, String> = [("room", "会议室 A"), ("empty", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let notice: Address = "recurring_notice.weekly-review".parse().unwrap();
    then(Context {
        scheduled: at,
        notice: &notice,
        vars: &vars,
    })
}

fn rendered(message: &Message, vendor: Vendor, target: Target) -> Result<Rendered, RenderError> {
    with(&scheduled(), |context| {
        render(message, vendor, target, context)
    })
}

/// What is found when a message is rendered for some.
fn wrong(text: &str, to: &[(Vendor, Target)]) -> String {
    let (sources, message, found) = read(text);
    assert_eq!(found, []);
    let found = with(&scheduled(), |context| {
        check(&message.unwrap(), to, &[context])
    });
    shown(&sources, &found)
}

/// The call that carries a message, and whether the contract allows it.
fn call(vendor: Vendor, target: Target, made: &Rendered) -> Value {
    let (kind, content) = (made.kind, made.content.clone());
    let (contract, operation, query, body) = match (vendor, target) {
        (Vendor::Feishu, Target::Chat) => (
            Contract::feishu(),
            "createMessage",
            vec![("receive_id_type".to_owned(), "chat_id".to_owned())],
            json!({ "receive_id": "oc_1", "msg_type": kind, "content": content.to_string() }),
        ),
        (Vendor::Feishu, Target::People) => {
            let key = if kind == "interactive" {
                "card"
            } else {
                "content"
            };
            let body = json!({ "open_ids": ["ou_1"], "msg_type": kind, key: content });
            (Contract::feishu(), "batchSendMessage", vec![], body)
        }
        (Vendor::DingTalk, _) => {
            let msg = json!({ "msgtype": kind, kind: content });
            let body = json!({ "agent_id": 1, "userid_list": "a", "msg": msg });
            let token = vec![("access_token".to_owned(), "t".to_owned())];
            (Contract::dingtalk(), "sendWorkNotification", token, body)
        }
        (Vendor::Enos, _) => {
            let mut message = json!({ "messageId": "m", "messageType": 1, "appId": "a", "targetType": 1, "targets": ["u"] });
            let fields = content.as_object().unwrap().clone();
            message.as_object_mut().unwrap().extend(fields);
            let query = vec![("orgId".to_owned(), "o".to_owned())];
            let body = json!({ "messages": [message] });
            (Contract::enos(), "produceNoticeMessages", query, body)
        }
    };
    let allowed = contract.check_request(operation, &query, Some(&body));
    assert_eq!(allowed, Ok(()), "{body:#}");
    body
}

/// What everybody who can gets: a line each, in the order of [`EVERYBODY`].
fn bodies(text: &str) -> String {
    let message = message(text);
    let mut out = String::new();
    for (vendor, target) in EVERYBODY {
        let to = format!("{} {target:?}", vendor.as_str());
        match rendered(&message, vendor, target) {
            Ok(made) => {
                call(vendor, target, &made);
                let limit = made.limit.map_or("no limit".to_owned(), |l| l.to_string());
                writeln!(out, "{to}: {} of {} / {limit} bytes", made.kind, made.size).unwrap();
                writeln!(out, "  {}", made.content).unwrap();
            }
            Err(error) => writeln!(out, "{to}: {}", error.diagnostic().summary).unwrap(),
        }
    }
    out
}

#[test]
fn text_is_text_everywhere() {
    assert_snapshot!(bodies("text: |\n  站会\n  {{ vars.room }}\n"), @r#"
    feishu Chat: text of 37 / 150000 bytes
      {"text":"站会\n会议室 A"}
    feishu People: text of 140 / 150000 bytes
      {"text":"站会\n会议室 A"}
    dingtalk People: text of 59 / 2048 bytes
      {"content":"站会\n会议室 A"}
    enos People: notice of 47 / no limit bytes
      {"body":{"defaultValue":"站会\n会议室 A"}}
    "#);
}

#[test]
fn text_with_a_title_and_a_link() {
    assert_snapshot!(bodies("
title: Stand-up
text: \"Room A\\nsecond \\\"line\\\"\"
link: { url: \"https://example.com/{{ notice.name }}\", label: Open, picture: \"@pic\" }
"), @r#"
    feishu Chat: post of 230 / 30000 bytes
      {"zh_cn":{"title":"Stand-up","content":[[{"tag":"text","text":"Room A"}],[{"tag":"text","text":"second \"line\""}],[{"tag":"a","text":"Open","href":"https://example.com/weekly-review"}]]}}
    feishu People: post of 307 / 30000 bytes
      {"post":{"zh_cn":{"title":"Stand-up","content":[[{"tag":"text","text":"Room A"}],[{"tag":"text","text":"second \"line\""}],[{"tag":"a","text":"Open","href":"https://example.com/weekly-review"}]]}}}
    dingtalk People: link of 144 / 2048 bytes
      {"messageUrl":"https://example.com/weekly-review","picUrl":"@pic","title":"Stand-up","text":"Room A\nsecond \"line\""}
    enos People: notice of 167 / no limit bytes
      {"header":{"defaultValue":"Stand-up"},"body":{"defaultValue":"Room A\nsecond \"line\""},"url":"https://example.com/weekly-review","features":[{"defaultValue":"Open"}]}
    "#);
}

#[test]
fn markdown_is_a_card_at_feishu() {
    assert_snapshot!(bodies("
title: 部门例会
markdown: \"明天 **{{ scheduled | add_days(1) | date('%m-%d') }}** {{ scheduled | weekday('zh') }} {{ scheduled | time }} 会议室 A\"
link: { url: https://example.com, label: Minutes }
"), @r####"
    feishu Chat: interactive of 385 / 30000 bytes
      {"config":{"wide_screen_mode":true},"header":{"title":{"tag":"plain_text","content":"部门例会"}},"elements":[{"tag":"markdown","content":"明天 **11-26** 星期三 10:00 会议室 A"},{"tag":"action","actions":[{"tag":"button","type":"primary","text":{"tag":"plain_text","content":"Minutes"},"url":"https://example.com"}]}]}
    feishu People: interactive of 443 / 30000 bytes
      {"config":{"wide_screen_mode":true},"header":{"title":{"tag":"plain_text","content":"部门例会"}},"elements":[{"tag":"markdown","content":"明天 **11-26** 星期三 10:00 会议室 A"},{"tag":"action","actions":[{"tag":"button","type":"primary","text":{"tag":"plain_text","content":"Minutes"},"url":"https://example.com"}]}]}
    dingtalk People: action_card of 202 / 2048 bytes
      {"title":"部门例会","markdown":"### 部门例会\n\n明天 **11-26** 星期三 10:00 会议室 A","single_title":"Minutes","single_url":"https://example.com"}
    enos People: notice of 177 / no limit bytes
      {"header":{"defaultValue":"部门例会"},"body":{"defaultValue":"明天 11-26 星期三 10:00 会议室 A"},"url":"https://example.com","features":[{"defaultValue":"Minutes"}]}
    "####);
    assert_snapshot!(bodies("markdown: |\n  ## Duty\n\n  - *a*\n  - b\n"), @r###"
    feishu Chat: interactive of 121 / 30000 bytes
      {"config":{"wide_screen_mode":true},"elements":[{"tag":"markdown","content":"## Duty\n\n- *a*\n- b"}]}
    feishu People: interactive of 216 / 30000 bytes
      {"config":{"wide_screen_mode":true},"elements":[{"tag":"markdown","content":"## Duty\n\n- *a*\n- b"}]}
    dingtalk People: markdown of 81 / 2048 bytes
      {"title":"Duty","text":"## Duty\n\n- *a*\n- b"}
    enos People: notice of 44 / no limit bytes
      {"body":{"defaultValue":"Duty\n\n- a\n- b"}}
    "###);
}

#[test]
fn texts_have_languages() {
    assert_snapshot!(bodies("
title: { default: Review, zh-CN: 例会 }
markdown: { default: \"on **{{ scheduled | weekday('en') }}**\", zh_cn: \"**{{ scheduled | weekday }}**\", ja_JP: 水 }
link: { url: https://example.com, label: { default: Open, zh_CN: 打开 } }
"), @r####"
    feishu Chat: interactive of 596 / 30000 bytes
      {"config":{"wide_screen_mode":true},"header":{"title":{"tag":"plain_text","content":"Review","i18n":{"en_us":"Review","ja_jp":"Review","zh_cn":"例会"}}},"elements":[{"tag":"markdown","content":"on **Wednesday**","i18n_content":{"en_us":"on **Wednesday**","ja_jp":"水","zh_cn":"**星期三**"}},{"tag":"action","actions":[{"tag":"button","type":"primary","text":{"tag":"plain_text","content":"Open","i18n_content":{"en_us":"Open","ja_jp":"Open","zh_cn":"打开"}},"url":"https://example.com"}]}]}
    feishu People: interactive of 612 / 30000 bytes
      {"config":{"wide_screen_mode":true},"header":{"title":{"tag":"plain_text","content":"Review","i18n":{"en_us":"Review","ja_jp":"Review","zh_cn":"例会"}}},"elements":[{"tag":"markdown","content":"on **Wednesday**","i18n_content":{"en_us":"on **Wednesday**","ja_jp":"水","zh_cn":"**星期三**"}},{"tag":"action","actions":[{"tag":"button","type":"primary","text":{"tag":"plain_text","content":"Open","i18n_content":{"en_us":"Open","ja_jp":"Open","zh_cn":"打开"}},"url":"https://example.com"}]}]}
    dingtalk People: action_card of 159 / 2048 bytes
      {"title":"Review","markdown":"### Review\n\non **Wednesday**","single_title":"Open","single_url":"https://example.com"}
    enos People: notice of 282 / no limit bytes
      {"header":{"defaultValue":"Review","i18nValue":{"ja_JP":"Review","zh_CN":"例会"}},"body":{"defaultValue":"on Wednesday","i18nValue":{"ja_JP":"水","zh_CN":"星期三"}},"url":"https://example.com","features":[{"defaultValue":"Open","i18nValue":{"ja_JP":"Open","zh_CN":"打开"}}]}
    "####);
    assert_snapshot!(bodies("text: { default: Hello, zh_CN: 你好 }"), @r#"
    feishu Chat: post of 136 / 30000 bytes
      {"en_us":{"content":[[{"tag":"text","text":"Hello"}]]},"zh_cn":{"content":[[{"tag":"text","text":"你好"}]]}}
    feishu People: post of 229 / 30000 bytes
      {"post":{"en_us":{"content":[[{"tag":"text","text":"Hello"}]]},"zh_cn":{"content":[[{"tag":"text","text":"你好"}]]}}}
    dingtalk People: text of 45 / 2048 bytes
      {"content":"Hello"}
    enos People: notice of 64 / no limit bytes
      {"body":{"defaultValue":"Hello","i18nValue":{"zh_CN":"你好"}}}
    "#);
}

#[test]
fn images_chats_and_cards() {
    assert_snapshot!(bodies("image: img_v2_abc"), @r#"
    feishu Chat: image of 32 / no limit bytes
      {"image_key":"img_v2_abc"}
    feishu People: image of 137 / no limit bytes
      {"image_key":"img_v2_abc"}
    dingtalk People: DingTalk does not take this image
    enos People: EnOS has no message that carries `image`
    "#);
    assert_snapshot!(bodies("image: { media_id: \"@lADPD\" }"), @r#"
    feishu Chat: Feishu does not take this image
    feishu People: Feishu does not take this image
    dingtalk People: image of 49 / 2048 bytes
      {"media_id":"@lADPD"}
    enos People: EnOS has no message that carries `image`
    "#);
    assert_snapshot!(bodies("share_chat: oc_a"), @r#"
    feishu Chat: share_chat of 24 / no limit bytes
      {"chat_id":"oc_a"}
    feishu People: share_chat of 140 / no limit bytes
      {"share_chat_id":"oc_a"}
    dingtalk People: DingTalk has no message that carries `share_chat`
    enos People: EnOS has no message that carries `share_chat`
    "#);
    assert_snapshot!(bodies("card: { elements: [{ tag: markdown, content: \"at {{ scheduled }}\" }, { tag: hr, n: 1.5, b: true, z: ~ }] }"), @r#"
    feishu Chat: interactive of 126 / 30000 bytes
      {"elements":[{"tag":"markdown","content":"at 2026-11-25 10:00"},{"tag":"hr","n":1.5,"b":true,"z":null}]}
    feishu People: interactive of 218 / 30000 bytes
      {"elements":[{"tag":"markdown","content":"at 2026-11-25 10:00"},{"tag":"hr","n":1.5,"b":true,"z":null}]}
    dingtalk People: DingTalk has no message that carries `card`
    enos People: EnOS has no message that carries `card`
    "#);
}

#[test]
fn an_image_in_a_file_is_put_in_when_it_was_uploaded() {
    let message = message("image: { file: charts/load.png }");
    let mut made = rendered(&message, Vendor::Feishu, Target::People).unwrap();
    assert!(
        matches!(&made.image, Some(ImageSource::File { path, .. }) if path == "charts/load.png")
    );
    made.put_image_key("img_new");
    assert!(made.image.is_none());
    let body = call(Vendor::Feishu, Target::People, &made);
    assert_eq!(body["content"], json!({ "image_key": "img_new" }));
    // A key that was given stays.
    let mut given = rendered(
        &self::message("image: img_old"),
        Vendor::Feishu,
        Target::Chat,
    )
    .unwrap();
    given.put_image_key("img_new");
    assert_eq!(given.content["image_key"], "img_old");
}

#[test]
fn a_block_is_said_instead() {
    assert_snapshot!(bodies("
text: Others
feishu: { msg_type: post, content: { zh-CN: { title: T, content: [[{ tag: text, text: \"at {{ scheduled | time }}\" }, { tag: a, text: here, href: https://example.com }]] } } }
dingtalk:
  msgtype: action_card
  action_card: { title: T, markdown: M, btn_orientation: 0, btn_json_list: [{ title: Yes, action_url: https://example.com/yes }, { title: No, action_url: https://example.com/no }] }
enos: { header: { defaultValue: H, i18nValue: { zh_cn: 头 } }, url: https://example.com, tags: [{ defaultValue: a }] }
"), @r#"
    feishu Chat: post of 155 / 30000 bytes
      {"zh_cn":{"title":"T","content":[[{"tag":"text","text":"at 10:00"},{"tag":"a","text":"here","href":"https://example.com"}]]}}
    feishu People: post of 244 / 30000 bytes
      {"post":{"zh_cn":{"title":"T","content":[[{"tag":"text","text":"at 10:00"},{"tag":"a","text":"here","href":"https://example.com"}]]}}}
    dingtalk People: action_card of 216 / 2048 bytes
      {"title":"T","markdown":"M","btn_orientation":"0","btn_json_list":[{"title":"Yes","action_url":"https://example.com/yes"},{"title":"No","action_url":"https://example.com/no"}]}
    enos People: notice of 117 / no limit bytes
      {"header":{"defaultValue":"H","i18nValue":{"zh_CN":"头"}},"url":"https://example.com","tags":[{"defaultValue":"a"}]}
    "#);
    assert_snapshot!(bodies("
dingtalk: { msgtype: oa, oa: { message_url: https://example.com, head: { bgcolor: FFBBBBBB, text: h }, body: { title: t, form: [{ key: k, value: 3 }], file_count: 2 } } }
feishu: { msg_type: interactive, card: { type: template, data: { template_id: ctp_1 } } }
"), @r#"
    feishu Chat: interactive of 62 / 30000 bytes
      {"type":"template","data":{"template_id":"ctp_1"}}
    feishu People: interactive of 164 / 30000 bytes
      {"type":"template","data":{"template_id":"ctp_1"}}
    dingtalk People: oa of 171 / 2048 bytes
      {"message_url":"https://example.com","head":{"bgcolor":"FFBBBBBB","text":"h"},"body":{"title":"t","form":[{"key":"k","value":"3"}],"file_count":"2"}}
    enos People: the message says nothing to people of EnOS
    "#);
    for kind in [
        "text: { content: t }",
        "image: { media_id: m }",
        "voice: { media_id: m, duration: 10 }",
        "file: { media_id: m }",
        "link: { messageUrl: u, picUrl: p, title: t, text: x }",
        "markdown: { title: t, text: x }",
    ] {
        let word = kind.split(':').next().unwrap();
        let message = message(&format!("dingtalk: {{ msgtype: {word}, {kind} }}"));
        let made = rendered(&message, Vendor::DingTalk, Target::People).unwrap();
        call(Vendor::DingTalk, Target::People, &made);
    }
    for kind in [
        "text, content: { text: t }",
        "image, content: { image_key: k }",
        "share_chat, content: { chat_id: oc_1 }",
    ] {
        let message = message(&format!("feishu: {{ msg_type: {kind} }}"));
        for target in [Target::Chat, Target::People] {
            call(
                Vendor::Feishu,
                target,
                &rendered(&message, Vendor::Feishu, target).unwrap(),
            );
        }
    }
}

#[test]
fn what_makes_no_sense_together_is_found() {
    for text in [
        "{}",
        "title: T",
        "title: T\nenos: { body: { defaultValue: b } }",
        "text: a\nmarkdown: b\ncard: {}",
        "image: img_1\ntitle: T\nlink: { url: u, label: l }",
        "link: { url: u }\ntext: a",
        "text: { zh_CN: a }",
        "text: { default: a, zh_cn: b, zh-CN: c, chinese: d }",
        "txt: a",
        "text: [a]",
        "text: ~",
        "share_chat: lobby",
        "image: cat.png",
        "image: { file: ../cat.png }",
        "image: { file: /cat.png }",
        "image: { file: cat.png, media_id: m }",
    ] {
        let found = mistakes(text);
        assert!(!found.is_empty(), "{text}");
    }
    let all = [
        "{}",
        "title: T",
        "text: a\nmarkdown: b\ncard: {}",
        "image: img_1\ntitle: T",
        "text: { zh_CN: a }",
        "text: { default: a, zh_cn: b, zh-CN: c, chinese: d }",
        "share_chat: lobby",
        "image: cat.png",
        "image: { file: ../cat.png }",
    ];
    assert_snapshot!(all.map(mistakes).concat(), @r#"
    message.yaml:1:1 "{}" empty-message
      this message says nothing
      Add `text:` or `markdown:`, or a block `feishu:`, `dingtalk:` or `enos:`.
    message.yaml:1:1 "title" missing-body
      `title` stands alone: there is no body
      Add `text:` or `markdown:`.
    message.yaml:2:1 "markdown" several-bodies
      a message is one of `text`, `markdown` and `card`
      Keep one; what a vendor is to get instead stands in a block of its name.
    message.yaml:2:1 "title" unused-key
      `image` has no `title`
      Remove it, or say it in `text:` or `markdown:`; a card has a header of its own.
    message.yaml:1:1 "text" missing-default
      no text is the `default` of these
      Add `default:`: it is for those who read in another locale, and for vendors whose messages have no languages.
    message.yaml:1:31 "zh-CN" duplicate-key
      the locale `zh_CN` is given twice
      Keep one of the two.
    message.yaml:1:41 "chinese" bad-locale
      `chinese` is no locale
      Write a language and a region, such as `zh_CN` or `en_US`, or `default`.
    message.yaml:1:13 "lobby" unknown-chat
      there is no chat `lobby` to share
      Write a name under `chats`, or an `oc_…` id.
    message.yaml:1:8 "cat.png" bad-image
      "cat.png" is no key of an image
      A key begins with `img_`; a file is written as `image: { file: PATH }`.
    message.yaml:1:16 "../cat.png" bad-image
      "../cat.png" is no file inside the project
      Write a path relative to the project folder, without `..`.
    "#);
}

#[test]
fn a_block_has_the_shape_of_its_vendor() {
    let all = [
        "feishu: { msg_type: interactve, card: {} }",
        "feishu: { content: { text: t } }",
        "feishu: { msg_type: interactive, content: {} }",
        "feishu: { msg_type: post, content: { zh_cn: { content: [{ tag: text }] } } }",
        "feishu: { msg_type: post, content: { zh_cn: { title: t, content: [[{ text: x }]] } } }",
        "feishu: { msg_type: post, content: {} }",
        "feishu: { msg_type: post, content: { zh_cn: { content: [[{ tag: \"{{ 'md' }}\" }]] } } }",
        "dingtalk: { msgtype: text, text: { content: a, at: all } }",
        "dingtalk: { msgtype: action_card, action_card: { markdown: a, single_title: b } }",
        "dingtalk: { msgtype: markdown, text: { content: a } }",
        "enos: { url: u }",
        "enos: { body: text }",
        "enos: { body: { defaultValue: a, i18nValue: { english: b } }, linkedStates: s }",
        "enos: { body: { defaultValue: a }, linkedStates: s }",
    ];
    assert_snapshot!(all.map(mistakes).concat(), @r#"
    message.yaml:1:21 "interactve" unknown-kind
      there is no kind of message `interactve` here
      Did you mean `interactive`? The kinds are `text`, `post`, `image`, `share_chat` and `interactive`.
    message.yaml:1:1 "feishu" missing-key
      the key `msg_type` is missing in `feishu`
      Add `msg_type:` with its value.
    message.yaml:1:1 "feishu" missing-key
      the key `card` is missing in `feishu`
      Add `card:` with its value.
    message.yaml:1:34 "content" unknown-key
      there is no key `content` in `feishu`
      The keys are `msg_type` and `card`.
    message.yaml:1:57 "{ tag: text }" wrong-type
      `content` must be a list, not a mapping
      Write it as `[a, b]`, or as lines that begin with `- `.
    message.yaml:1:57 "content" missing-key
      the key `tag` is missing in `content`
      Add `tag:` with its value.
    message.yaml:1:36 "{}" wrong-type
      `content` must be a mapping from locales with something in it, not a mapping
      Write `zh_cn:` with what is said in that language.
    message.yaml:1:65 "\"{{ 'md' }}\"" wrong-type
      `tag` must be one of `text`, `a`, `at`, `img`, `media`, `emotion`, `hr`, `code_block` and `md`, not the text "{{ 'md' }}"
      Write one of these words.
    message.yaml:1:48 "at" unknown-key
      there is no key `at` in `text`
      The keys are `content`.
    message.yaml:1:1 "dingtalk" bad-buttons
      a card has one button or a list of buttons
      Give `single_title` and `single_url`, or `btn_orientation` and `btn_json_list`.
    message.yaml:1:1 "dingtalk" missing-key
      the key `markdown` is missing in `dingtalk`
      Add `markdown:` with its value.
    message.yaml:1:32 "text" unknown-key
      there is no key `text` in `dingtalk`
      The keys are `msgtype` and `markdown`.
    message.yaml:1:1 "enos" empty-message
      this notice says nothing
      Add `header:` or `body:`, each with `defaultValue`.
    message.yaml:1:15 "text" wrong-type
      `body` must be a mapping, not `text`
      Write its keys below it, indented by two spaces.
    message.yaml:1:47 "english" bad-locale
      `english` is no locale
      Write a language and a region, such as `zh_CN` or `en_US`, or `default`.
    message.yaml:1:1 "enos" missing-key
      a page inside the portal needs `linkedAppId`
      Add `linkedAppId:`.
    "#);
}

#[test]
fn a_template_is_blamed_at_its_line() {
    let feishu = [(Vendor::Feishu, Target::Chat)];
    let all = [
        // Lines of a block.
        "title: fine\nmarkdown: |\n  first\n    {{ scheduled | date }} {{ now }}\n  last\n",
        "markdown: |\n  {{ vars.rom }}\n",
        "markdown: |\n  ok\n  {% if vars.room %}\n  never ended\n",
        "text: \"{{ scheduled | dat }}\"",
        "text: \"{{ scheduled | date('%!') }}\"",
        "text: \"{{ vars.room | date }}\"",
        "text: \"{{ scheduled | weekday }}\"",
        "text: \"{% include 'x' %}\"",
        // A part that cannot be found is blamed as a whole.
        "text: \"\\u0061 {{ vars.x }} {{ vars.x }}\"",
        "text: \"${var:team} {{ vars.x }}\"",
        "text: >\n  folded\n  {{ vars.x }}\n",
        "title: t\ntext: { default: ok, en_US: \"{{ nobody }}\" }",
        "feishu: { msg_type: text, content: { text: \"{{ nobody }}\" } }",
        "text: \"a\\u0007\"",
    ];
    assert_snapshot!(all.map(|text| wrong(text, &feishu)).concat(), @r#"
    message.yaml:4:31 "now" bad-template
      the template names `now`, which has no value
      A message knows `scheduled`, `notice.name`, `notice.address`, `vars.NAME` and `locale`; there is no `now`.
    message.yaml:2:6 "vars.rom" bad-template
      the template names `vars.rom`, which has no value
      A message knows `scheduled`, `notice.name`, `notice.address`, `vars.NAME` and `locale`; there is no `now`.
    message.yaml:3:3 "{% if vars.room %}" bad-template
      the template has a mistake: unexpected end of input, expected end of block
      Write `{{ scheduled | date('%m-%d') }}`; a plain `{{` is written as `{{ '{{' }}`.
    message.yaml:1:23 "dat" bad-template
      the template has a mistake: filter dat is unknown
      The filters of instants are `date('%m-%d')`, `time('%H:%M')`, `weekday('zh')` and `add_days(1)`; those of texts are the usual ones of Jinja, such as `upper` and `default`.
    message.yaml:1:23 "date('%!')" bad-template
      the template fails: "%!" is no format: strftime formatting failed: found unrecognized specifier directive `!`
      The filters of instants are `date('%m-%d')`, `time('%H:%M')`, `weekday('zh')` and `add_days(1)`; those of texts are the usual ones of Jinja, such as `upper` and `default`.
    message.yaml:1:23 "date" bad-template
      the template fails: this filter takes an instant, such as `scheduled`
      The filters of instants are `date('%m-%d')`, `time('%H:%M')`, `weekday('zh')` and `add_days(1)`; those of texts are the usual ones of Jinja, such as `upper` and `default`.
    message.yaml:1:23 "weekday" bad-template
      the template fails: `weekday` needs a language here, such as `weekday('zh')` or `weekday('en')`
      The filters of instants are `date('%m-%d')`, `time('%H:%M')`, `weekday('zh')` and `add_days(1)`; those of texts are the usual ones of Jinja, such as `upper` and `default`.
    message.yaml:1:11 "include" bad-template
      the template has a mistake: unknown statement include
      Write `{{ scheduled | date('%m-%d') }}`; a plain `{{` is written as `{{ '{{' }}`.
    message.yaml:1:7 "\"\\u0061 {{ vars.x }} {{ vars.x }}\"" bad-template
      the template names `vars.x`, which has no value
      A message knows `scheduled`, `notice.name`, `notice.address`, `vars.NAME` and `locale`; there is no `now`.
    message.yaml:1:7 "\"${var:team} {{ vars.x }}\"" bad-template
      the template names `vars.x`, which has no value
      A message knows `scheduled`, `notice.name`, `notice.address`, `vars.NAME` and `locale`; there is no `now`.
    message.yaml:2:3 "folded\n  {{ vars.x }}" bad-template
      the template names `vars.x`, which has no value
      A message knows `scheduled`, `notice.name`, `notice.address`, `vars.NAME` and `locale`; there is no `now`.
    message.yaml:2:33 "nobody" bad-template
      the template names `nobody`, which has no value
      A message knows `scheduled`, `notice.name`, `notice.address`, `vars.NAME` and `locale`; there is no `now`.
    message.yaml:1:48 "nobody" bad-template
      the template names `nobody`, which has no value
      A message knows `scheduled`, `notice.name`, `notice.address`, `vars.NAME` and `locale`; there is no `now`.
    message.yaml:1:7 "\"a\\u0007\"" bad-template
      the control character U+0007 stands in the text
      Remove it; DingTalk refuses a message that has one, and nobody can read it.
    "#);
}

#[test]
fn a_template_ends() {
    let feishu = [(Vendor::Feishu, Target::Chat)];
    for text in [
        "text: \"{% for i in range(100000) %}x{% endfor %}\"",
        "text: \"{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}{{ scheduled }}\"",
        "text: \"{{ 'x' * 100000000 }}\"",
        "text: \"{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}\"",
        "text: \"{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}\"",
    ] {
        let found = wrong(text, &feishu);
        assert!(found.contains("bad-template"), "{text}\n{found}");
    }
    assert!(wrong("text: \"{% for i in range(100) %}x{% endfor %}\"", &feishu).is_empty());
}

#[test]
fn nothing_left_is_a_mistake() {
    let all = [
        "text: \"{{ vars.empty }}\"",
        "markdown: \"  \"",
        "dingtalk: { msgtype: text, text: { content: \"{{ vars.empty }}\" } }\ntext: \"{{ vars.empty }}\"",
    ];
    assert_snapshot!(all.map(|text| wrong(text, &EVERYBODY)).concat(), @r#"
    message.yaml:1:7 "\"{{ vars.empty }}\"" empty-text
      nothing is left of `text`
      Check its template: what is sent has to say something.
    message.yaml:1:11 "\"  \"" empty-text
      nothing is left of `markdown`
      Check its template: what is sent has to say something.
    message.yaml:2:7 "\"{{ vars.empty }}\"" empty-text
      nothing is left of `text`
      Check its template: what is sent has to say something.
    message.yaml:1:45 "\"{{ vars.empty }}\"" empty-text
      nothing is left of `content`
      Check its template: what is sent has to say something.
    "#);
    // A definition shows nothing as plain text.
    let found = wrong(
        "markdown: \"[a]: https://example.com\"",
        &[(Vendor::Enos, Target::People)],
    );
    assert!(found.contains("nothing is left of `markdown`"), "{found}");
    let found = wrong("card: {}", &[(Vendor::Feishu, Target::Chat)]);
    assert!(found.contains("nothing is left of `card`"), "{found}");
}

#[test]
fn what_a_vendor_cannot_carry_is_said() {
    let all = [
        "markdown: m\nfeishu: { msg_type: post, content: { zh_cn: { content: [[{ tag: md, text: x }]] } } }",
        "feishu: { msg_type: post, content: { zh_cn: { content: [[{ tag: text, text: x, style: [bold] }]] } } }",
        "share_chat: oc_1",
        "image: { file: a.png }",
        "image: { media_id: m }",
        "card: { elements: [] }",
    ];
    let everybody = [
        &EVERYBODY[..],
        &[
            (Vendor::DingTalk, Target::Chat),
            (Vendor::Enos, Target::Chat),
        ],
    ]
    .concat();
    let lines = all.map(|text| {
        let message = message(text);
        let each = everybody.iter().map(|(vendor, target)| {
            let why = carries(&message, *vendor, *target);
            assert_eq!(why.is_ok(), rendered(&message, *vendor, *target).is_ok());
            format!("  {} {target:?}: {why:?}\n", vendor.as_str())
        });
        format!("{text}\n{}", each.collect::<String>())
    });
    assert_snapshot!(lines.concat(), @r#"
    markdown: m
    feishu: { msg_type: post, content: { zh_cn: { content: [[{ tag: md, text: x }]] } } }
      feishu Chat: Ok(())
      feishu People: Err(OnlyToChats("tag `md` in a post"))
      dingtalk People: Ok(())
      enos People: Ok(())
      dingtalk Chat: Ok(())
      enos Chat: Err(NoChats)
    feishu: { msg_type: post, content: { zh_cn: { content: [[{ tag: text, text: x, style: [bold] }]] } } }
      feishu Chat: Ok(())
      feishu People: Err(OnlyToChats("`style` in a post"))
      dingtalk People: Err(Nothing)
      enos People: Err(Nothing)
      dingtalk Chat: Err(Nothing)
      enos Chat: Err(NoChats)
    share_chat: oc_1
      feishu Chat: Ok(())
      feishu People: Ok(())
      dingtalk People: Err(NoKind("share_chat"))
      enos People: Err(NoKind("share_chat"))
      dingtalk Chat: Err(NoKind("share_chat"))
      enos Chat: Err(NoChats)
    image: { file: a.png }
      feishu Chat: Ok(())
      feishu People: Ok(())
      dingtalk People: Err(ForeignImage)
      enos People: Err(NoKind("image"))
      dingtalk Chat: Err(ForeignImage)
      enos Chat: Err(NoChats)
    image: { media_id: m }
      feishu Chat: Err(ForeignImage)
      feishu People: Err(ForeignImage)
      dingtalk People: Ok(())
      enos People: Err(NoKind("image"))
      dingtalk Chat: Err(OnlyToPeople("image"))
      enos Chat: Err(NoChats)
    card: { elements: [] }
      feishu Chat: Ok(())
      feishu People: Ok(())
      dingtalk People: Err(NoKind("card"))
      enos People: Err(NoKind("card"))
      dingtalk Chat: Err(NoKind("card"))
      enos Chat: Err(NoChats)
    "#);
    assert_snapshot!(wrong("card: { elements: [] }", &everybody), @r#"
    message.yaml:1:1 "card" unfit-kind
      DingTalk has no message that carries `card`
      Say it in `text:` or `markdown:`, or add a block `dingtalk:` with what people there get instead.
    message.yaml:1:1 "card" unfit-kind
      EnOS has no message that carries `card`
      Say it in `text:` or `markdown:`, or add a block `enos:` with what people there get instead.
    message.yaml:1:1 "card" no-chats
      beadle sends to no chats of EnOS
      Send it to people there; chats are those of Feishu, and groups those of DingTalk.
    "#);
}

/// Finds out how long a text may be, and that one byte more is too much.
#[track_caller]
fn at_the_limit(vendor: Vendor, target: Target, written: impl Fn(&str) -> String) -> Rendered {
    let shortest = rendered(&message(&written("x")), vendor, target).unwrap();
    let limit = shortest.limit.unwrap();
    let fill = "x".repeat(limit - shortest.size + 1);
    let most = rendered(&message(&written(&fill)), vendor, target).unwrap();
    assert_eq!(most.size, limit);
    call(vendor, target, &most);
    let over = rendered(&message(&written(&format!("{fill}x"))), vendor, target).unwrap_err();
    assert!(
        matches!(over, RenderError::TooLarge { size, limit: l, .. } if l == limit && size == limit + 1),
        "{over:?}"
    );
    most
}

#[test]
fn a_byte_over_the_limit_is_too_much() {
    for target in [Target::Chat, Target::People] {
        let text = at_the_limit(Vendor::Feishu, target, |fill| format!("text: {fill}"));
        assert_eq!(text.limit, Some(150_000));
        let card = at_the_limit(Vendor::Feishu, target, |fill| format!("markdown: {fill}"));
        assert_eq!(card.limit, Some(30_000));
        at_the_limit(Vendor::Feishu, target, |fill| {
            format!("title: t\ntext: {fill}")
        });
    }
    let dingtalk = (Vendor::DingTalk, Target::People);
    for text in [
        "text: ",
        "title: t\nmarkdown: ",
        "link: { url: u, label: l }\nmarkdown: ",
    ] {
        let made = at_the_limit(dingtalk.0, dingtalk.1, |fill| {
            format!("title: t\n{}{fill}", text.replace("title: t\n", ""))
        });
        // The whole `msg`, as it stands in the call.
        let body = call(dingtalk.0, dingtalk.1, &made);
        assert_eq!(
            (body["msg"].to_string().len(), made.limit),
            (2048, Some(2048))
        );
    }
    // Three bytes a character.
    let long = "会".repeat(700);
    assert_snapshot!(wrong(&format!("markdown: {long}"), &EVERYBODY), @r#"
    message.yaml:1:1 "markdown" message-too-large
      DingTalk takes at most 2048 bytes of such a message, this one has 2348
      Shorten it, or link to a document (page `asynchronous-sending-of-enterprise-session-messages`). A Chinese character counts three bytes.
    "#);
}

#[test]
fn a_character_over_the_limit_of_a_part_is_too_much() {
    let people = [(Vendor::DingTalk, Target::People)];
    for (limit, text) in [
        (64, "text: t\ntitle: FILL"),
        (20, "text: t\nlink: { url: u, label: FILL }"),
        (500, "text: t\nlink: { url: FILL, label: l }"),
        (
            64,
            "dingtalk: { msgtype: markdown, markdown: { text: t, title: FILL } }",
        ),
        (
            20,
            "dingtalk: { msgtype: action_card, action_card: { markdown: m, btn_orientation: 1, btn_json_list: [{ title: FILL, action_url: u }] } }",
        ),
        (
            500,
            "dingtalk: { msgtype: action_card, action_card: { markdown: m, btn_orientation: 1, btn_json_list: [{ title: t, action_url: FILL }] } }",
        ),
    ] {
        let filled = |count| text.replace("FILL", &"字".repeat(count));
        let most = filled(limit);
        assert_eq!(wrong(&most, &people), "", "{text}");
        let over = wrong(&filled(limit + 1), &people);
        let says = format!("has at most {limit} characters, this one has {}", limit + 1);
        assert!(over.contains(&says), "{text}\n{over}");
        // A call at the limit keeps the contract.
        call(
            people[0].0,
            people[0].1,
            &rendered(&message(&most), people[0].0, people[0].1).unwrap(),
        );
    }
    let buttons = |count: usize| {
        let button = "{ title: t, action_url: https://example.com/0123456789 }, ";
        format!(
            "dingtalk: {{ msgtype: action_card, action_card: {{ markdown: m, btn_orientation: '0', btn_json_list: [{}] }} }}",
            button.repeat(count)
        )
    };
    assert_eq!(wrong(&buttons(16), &people), "");
    assert!(wrong(&buttons(20), &people).contains("`btn_json_list` has at most 1000"));
    let unfit = "dingtalk: { msgtype: voice, voice: { media_id: m, duration: 60 } }";
    assert!(wrong(unfit, &people).contains("unfit-text"));
}

#[test]
fn the_first_line_is_the_title_that_dingtalk_needs() {
    let title = |text: &str| {
        let made = rendered(&message(text), Vendor::DingTalk, Target::People).unwrap();
        made.content["title"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        title("markdown: \"# **Duty** today\\n\\ntext\""),
        "Duty today"
    );
    let long = title(&format!("markdown: {}", "字".repeat(65)));
    assert_eq!(long, format!("{}…", "字".repeat(63)));
    assert_eq!(
        title(&format!("markdown: {}", "字".repeat(64))),
        "字".repeat(64)
    );
}

#[test]
fn each_mistake_is_told_once() {
    let days: Vec<Zoned> = (0..5)
        .map(|n| scheduled().checked_add(jiff::Span::new().days(n)).unwrap())
        .collect();
    // Only on Friday.
    let message =
        message("text: \"{% if scheduled.day == 27 %}{{ nobody }}{% endif %}on {{ scheduled }}\"");
    with(&scheduled(), |context| {
        let contexts: Vec<Context<'_>> = days
            .iter()
            .map(|day| Context {
                scheduled: day,
                ..context
            })
            .collect();
        assert_eq!(check(&message, &EVERYBODY, &contexts[..2]), []);
        let found = check(&message, &EVERYBODY, &contexts);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].code, "bad-template");
    });
}

#[test]
fn the_same_message_renders_the_same_bytes() {
    let text = "title: { default: T, ja_JP: U, zh_CN: V }\nmarkdown: \"{% for k in vars %}{{ k }}{% endfor %} {{ scheduled }} {{ notice.address }}\"\nlink: { url: u, label: { default: l, en_US: m } }";
    for (vendor, target) in EVERYBODY {
        let once = rendered(&message(text), vendor, target)
            .unwrap()
            .content
            .to_string();
        for _ in 0..20 {
            let again = rendered(&message(text), vendor, target).unwrap();
            assert_eq!(again.content.to_string(), once);
        }
    }
    // The zone is the notice's: the same instant elsewhere is said otherwise.
    let abroad =
        scheduled().with_time_zone(beadle::model::zone::ZONES.get("America/New_York").unwrap());
    let said = with(&abroad, |context| {
        render(
            &message("text: \"{{ scheduled }} {{ scheduled.hour }}\""),
            Vendor::Feishu,
            Target::Chat,
            context,
        )
    });
    assert_eq!(said.unwrap().content["text"], "2026-11-24 21:00 21");
}

#[test]
fn what_is_kept_of_a_message_renders_alike() {
    for text in [
        "title: { default: T, zh_cn: U }\ntext: \"${var:team} $${x} {{ scheduled }}\"\nlink: { url: u, label: l, picture: p }",
        "markdown: |\n  # a\n\n  b\u{2028}c\n",
        "image: img_1",
        "image: { media_id: m }",
        "share_chat: oc_1",
        "card: { a: [1, '1', true, 'true', ~, { b: \"{{ scheduled }}\" }] }",
        "feishu: { msg_type: post, content: { zh-CN: { content: [[{ tag: text, text: '', un_escape: true }]] } } }\ndingtalk: { msgtype: action_card, action_card: { markdown: m, btn_orientation: 0, btn_json_list: [{ title: t, action_url: u }] } }\nenos: { body: { defaultValue: '1' } }",
        "feishu: { msg_type: interactive, card: { a: 1 } }",
    ] {
        let message = message(text);
        let value = message.to_value();
        let (kept, found) = parse::stored_message(&value);
        assert_eq!(found, [], "{value}");
        let kept = kept.unwrap();
        assert_eq!(kept.to_value(), value);
        for (vendor, target) in EVERYBODY {
            let content = |message| {
                rendered(message, vendor, target)
                    .ok()
                    .map(|made| made.content)
            };
            assert_eq!(content(&kept), content(&message), "{value}");
        }
    }
    let value =
        message("title: { default: T, zh-cn: U }\nmarkdown: \"${var:team} $${x} {{ scheduled }}\"")
            .to_value();
    assert_eq!(
        value,
        json!({ "title": { "default": "T", "zh_CN": "U" }, "markdown": "ops ${x} {{ scheduled }}" })
    );
    assert!(
        parse::stored_message(&json!({ "text": "a", "of_another_version": 1 }))
            .0
            .is_none()
    );
}

#[test]
fn markdown_as_plain_text() {
    let text = "# Duty\n\nGo to **room** _A_ ([map](https://example.com/map), <https://example.com>, <a@example.com>).\nSoon.\n\n1. one\n2. two\n   - inner `code`\n\n   more\n\n> said\n>\n> twice\n\n```sh\nls -l\n```\n\n---\n\n![a cat](cat.png) <b>bold</b>\n";
    assert_snapshot!(plain_text(text), @r#"
    Duty

    Go to room A (map (https://example.com/map), https://example.com, a@example.com).
    Soon.

    1. one
    2. two
      - inner code
    more

    > said

    > twice

    ls -l

    ---

    a cat <b>bold</b>
    "#);
    assert_eq!(plain_text("a * b < c & d"), "a * b < c & d");
}

#[test]
fn the_schema_says_what_the_reader_takes() {
    let mut compiler = boon::Compiler::new();
    compiler
        .add_resource("message.json", parse::message_schema())
        .unwrap();
    let mut schemas = boon::Schemas::new();
    let index = compiler.compile("message.json", &mut schemas).unwrap();
    let fits = |text: &str| {
        let value: Value = serde_yaml::from_str(text).unwrap();
        schemas.validate(&value, index).is_ok()
    };
    for text in [
        "{ title: a, text: { default: b, zh-CN: c }, link: { url: u, label: l } }",
        "{ image: { file: a.png } }",
        "{ image: img_1 }",
        "{ card: { a: 1 } }",
        "{ feishu: { msg_type: post, content: { zh_cn: { content: [[{ tag: text, text: a }]] } } } }",
        "{ feishu: { msg_type: interactive, card: {} } }",
        "{ dingtalk: { msgtype: action_card, action_card: { markdown: a, btn_orientation: 0, btn_json_list: [{ title: a, action_url: b }] } } }",
        "{ enos: { body: { defaultValue: a, i18nValue: { zh_CN: b } } } }",
    ] {
        assert!(fits(text), "{text}");
        assert_eq!(mistakes(text), "", "{text}");
    }
    for text in [
        "{ txt: a }",
        "{ text: { zh_CN: a } }",
        "{ text: { default: a, chinese: b } }",
        "{ image: cat.png }",
        "{ image: { file: a.png, media_id: b } }",
        "{ link: { url: u }, text: a }",
        "{ feishu: { msg_type: interactive, content: {} } }",
        "{ feishu: { msg_type: text, content: { txt: a } } }",
        "{ dingtalk: { msgtype: text, text: {} } }",
        "{ enos: { url: u } }",
    ] {
        assert!(!fits(text), "{text}");
        assert_ne!(mistakes(text), "", "{text}");
    }
}

#[test]
fn locales_are_read_however_they_are_written() {
    let read = |text| Locale::parse(text).map(|locale| locale.to_string());
    for text in ["zh_CN", "zh-cn", "ZH_cn"] {
        assert_eq!(read(text).as_deref(), Some("zh_CN"));
    }
    for text in [
        "zh", "", "zh_", "zh_CNN", "default", "z1_CN", "中_文", "zh_中",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn images_are_known_by_their_bytes() {
    let png = |width: u32, height: u32| {
        [
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(),
            &width.to_be_bytes(),
            &height.to_be_bytes(),
        ]
        .concat()
    };
    let gif = |side: u16| {
        [
            b"GIF89a".as_slice(),
            &side.to_le_bytes(),
            &side.to_le_bytes(),
        ]
        .concat()
    };
    let jpeg = |side: u16| {
        let frame = [
            b"\xff\xc0\0\x11\x08".as_slice(),
            &side.to_be_bytes(),
            &[0, 9],
        ]
        .concat();
        [b"\xff\xd8\xff\xe0\0\x04ab".as_slice(), &frame].concat()
    };
    let webp = |side: u32| {
        [
            b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".as_slice(),
            &(side - 1).to_le_bytes()[..3],
            &[0; 3],
        ]
        .concat()
    };
    let bmp = |side: i32| {
        [
            b"BM".as_slice(),
            &[0; 16],
            &5_i32.to_le_bytes(),
            &side.to_le_bytes(),
        ]
        .concat()
    };
    let at_most = [
        (ImageKind::Png, png(12_000, 12_000), png(1, 12_001), 12_000),
        (ImageKind::Gif, gif(2000), gif(2001), 2000),
        (ImageKind::Jpeg, jpeg(12_000), jpeg(12_001), 12_000),
        (ImageKind::Webp, webp(12_000), webp(12_001), 12_000),
        (ImageKind::Bmp, bmp(-12_000), bmp(-12_001), 12_000),
    ];
    for (kind, good, bad, most) in at_most {
        assert_eq!(inspect(&good), Ok(kind));
        let found = inspect(&bad);
        assert!(
            matches!(found, Err(BadImage::TooManyPixels { most: m, .. }) if m == most),
            "{found:?}"
        );
    }
    for (kind, bytes) in [
        (ImageKind::Ico, b"\0\0\x01\0".as_slice()),
        (ImageKind::Tiff, b"II*\0"),
        (ImageKind::Heic, b"\0\0\0\x18ftypheic"),
    ] {
        assert_eq!(inspect(bytes), Ok(kind));
    }
    assert_eq!(inspect(b""), Err(BadImage::Empty));
    assert_eq!(inspect(b"<svg/>"), Err(BadImage::UnknownKind));
    let mut large = png(1, 1);
    large.resize(MAX_IMAGE_BYTES, 0);
    assert_eq!(inspect(&large), Ok(ImageKind::Png));
    large.push(0);
    assert_eq!(
        inspect(&large),
        Err(BadImage::TooLarge(MAX_IMAGE_BYTES + 1))
    );
}

/// Pieces of templates, so that many of what is made of them mean something.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    " scheduled ",
    "vars",
    ".room",
    "|",
    "date",
    "('%Y')",
    "weekday('zh')",
    " for i in range(9999) ",
    " endfor ",
    " if ",
    " endif ",
    " set x = ",
    "x",
    " ~ ",
    " * ",
    "9999999",
    "'a'",
    "[",
    "]",
    "(",
    ")",
    "**",
    "\n",
    "- ",
    "# ",
    "会",
    "\u{202e}",
    "`",
    "<b>",
    "](u)",
    "namespace(",
    "add_days(",
    "-",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn rendering_never_panics_and_ends(
        pieces in prop::collection::vec((prop::sample::select(PIECES), any::<char>()), 0..40),
        markdown in any::<bool>(),
    ) {
        let source: String = pieces.iter().enumerate().flat_map(|(index, (piece, letter))| {
            let letter = (index % 7 == 6).then_some(*letter);
            piece.chars().chain(letter)
        }).collect();
        let key = if markdown { "markdown" } else { "text" };
        // JSON is YAML, with every character that YAML does not take escaped.
        let written = format!("{key}: {}", json!(source)).replace('\u{7f}', "\\u007f");
        if let (_, Some(message), _) = read(&written) {
            let value = message.to_value();
            let (again, found) = parse::stored_message(&value);
            prop_assert!(again.is_some(), "{value} {found:?}");
            prop_assert_eq!(again.unwrap().to_value(), value);
            for (vendor, target) in EVERYBODY {
                let first = rendered(&message, vendor, target);
                if let Ok(made) = &first {
                    prop_assert!(made.limit.is_none_or(|limit| made.size <= limit));
                    call(vendor, target, made);
                }
                let second = rendered(&message, vendor, target);
                prop_assert_eq!(first.map(|made| made.content), second.map(|made| made.content));
            }
        }
        prop_assert!(plain_text(&source).len() <= 8 * source.len() + 64);
        inspect(source.as_bytes()).ok();
    }

    #[test]
    fn arbitrary_bytes_are_no_trouble_as_images(kind in 0_usize..6, bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let magic = [b"\xff\xd8\xff".as_slice(), b"\x89PNG\r\n\x1a\n", b"RIFF0000WEBPVP8L", b"GIF89a", b"BM", b"RIFF0000WEBPVP8 "][kind];
        inspect(&[magic, &bytes].concat()).ok();
    }
}

#[test]
fn a_template_over_its_bytes_is_refused() {
    let span = beadle::model::Span {
        file: FileId(0),
        start: 0,
        end: 0,
    };
    let render = |count: usize| {
        let template = Template::new(&"x".repeat(count), span, "");
        with(&scheduled(), |context| {
            template.render(context, None).is_ok()
        })
    };
    assert!(render(beadle::model::message::MAX_BYTES));
    assert!(!render(beadle::model::message::MAX_BYTES + 1));
}
