//! The Feishu client on chats, contact user groups and the address book: against the sandbox, with every
//! request held against the contract, and against a server that answers what each test scripts.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use beadle::engine::{ApiError, Call, Directory, Done, Object, Sighting, Write, Writer};
use beadle::model::group::Recipient;
use beadle::model::manifest::Vendor;
use beadle::model::{AppId, Collection, Field, Fields, RemoteId, Value};
use beadle::sandbox::{APP_ID, APP_SECRET};
use beadle::vendors::{Jobs, Settings, feishu};
use serde_json::{Value as Json, json};

use crate::client::{Log, Server, Step, code, json as answer, with};
use crate::sandbox::Stage;
use crate::support::contract::Contract;

const ROOM: &str = "oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f";

/// A sandbox with a client of it: two usable people, one who left, one out of scope.
struct Scene {
    stage: Stage,
    client: Arc<dyn Writer>,
    directory: Arc<dyn Directory>,
}

impl Scene {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let departments = json!([
            {"open_department_id": "od-dev", "department_id": "dev"},
            {"open_department_id": "od-far", "department_id": "far", "out_of_scope": true},
        ]);
        stage.control("POST", "/departments", departments).await;
        let people = json!([
            {"open_id": "ou_a", "union_id": "on_a", "user_id": "a", "email": "Ada@example.com", "mobile": "13800000001"},
            {"open_id": "ou_b", "union_id": "on_b", "user_id": "b", "email": "bo@example.com", "mobile": "+14155550100"},
            {"open_id": "ou_left", "email": "left@example.com", "left": true},
            {"open_id": "ou_far", "email": "far@example.com", "out_of_scope": true},
        ]);
        stage.control("POST", "/users", people).await;
        let url = stage.sandbox.base_url();
        let mut settings = Settings::new(&url, AppId::new(APP_ID), APP_SECRET.into());
        settings.paced = false;
        settings.patience.first = std::time::Duration::from_millis(1);
        let (client, Jobs { directory, .. }) = feishu(settings).unwrap();
        Self {
            stage,
            client,
            directory,
        }
    }

    async fn control(&self, method: &str, path: &str, body: Json) -> Json {
        self.stage.control(method, path, body).await
    }

    async fn fault(&self, text: &str) {
        self.control("POST", "/faults", json!({"fault": text}))
            .await;
    }

    /// How often an operation was called; every request so far has to fit the contract.
    async fn calls(&self, operation: &str) -> usize {
        let log = self.control("GET", "/calls", Json::Null).await;
        Contract::feishu().check_calls(&log).unwrap();
        let calls = log["calls"].as_array().unwrap().iter();
        calls.filter(|call| call["operation"] == operation).count()
    }

    async fn send(&self, write: &Write) -> Result<Done, ApiError> {
        self.client.send(&self.client.encode(write)).await
    }

    async fn object(&self, collection: Collection, id: &str) -> Result<Option<Object>, ApiError> {
        self.client.object(&collection, &RemoteId::new(id)).await
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn named(name: &str, description: &str) -> Fields {
    let fields = [
        (Field::Name, text(name)),
        (Field::Description, text(description)),
    ];
    fields.into_iter().collect()
}

fn create(collection: Collection, id: Option<&str>) -> Write {
    Write::Create {
        collection,
        id: id.map(RemoteId::new),
        fields: named("On call", "managed"),
    }
}

fn update(collection: Collection, id: &str, field: Field, to: &str) -> Write {
    Write::Update {
        collection,
        id: RemoteId::new(id),
        fields: [(field, text(to))].into_iter().collect(),
    }
}

fn delete(collection: Collection, id: &str) -> Write {
    Write::Delete {
        collection,
        id: RemoteId::new(id),
    }
}

fn add(collection: Collection, id: &str, people: &[&str]) -> Write {
    Write::AddPeople {
        collection,
        id: RemoteId::new(id),
        people: set(people),
    }
}

fn remove(collection: Collection, id: &str, people: &[&str]) -> Write {
    Write::RemovePeople {
        collection,
        id: RemoteId::new(id),
        people: set(people),
    }
}

fn rejected(done: &Done) -> Vec<&str> {
    done.rejected.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_chat_is_made_changed_filled_emptied_and_dissolved() {
    use Collection::Chats;
    let scene = Scene::new().await;
    let made = scene.send(&create(Chats, None)).await.unwrap();
    let id = made.object.unwrap().id;
    let id = id.as_str();
    let object = scene.object(Chats, id).await.unwrap().unwrap();
    let mut expected = named("On call", "managed");
    expected.set(Field::Members, Value::Items(set(&[])));
    assert_eq!((object.id.as_str(), &object.fields), (id, &expected));

    scene
        .send(&update(Chats, id, Field::Name, "Night"))
        .await
        .unwrap();
    let people = ["ou_a", "ou_b", "ou_left", "ou_far", "ou_nobody"];
    let done = scene.send(&add(Chats, id, &people)).await.unwrap();
    assert_eq!(rejected(&done), ["ou_far", "ou_left", "ou_nobody"]);
    // Who is there already is no trouble, nor who never was.
    let done = scene.send(&add(Chats, id, &["ou_a"])).await.unwrap();
    assert_eq!(done, Done::default());
    let gone = ["ou_b", "ou_left", "ou_nobody"];
    let done = scene.send(&remove(Chats, id, &gone)).await.unwrap();
    assert_eq!(done, Done::default());
    let done = scene
        .send(&remove(Chats, id, &["ou_nobody"]))
        .await
        .unwrap();
    assert_eq!(done, Done::default());
    let object = scene.object(Chats, id).await.unwrap().unwrap();
    expected.set(Field::Name, text("Night"));
    expected.set(Field::Members, Value::Items(set(&["ou_a"])));
    assert_eq!(object.fields, expected);

    let catalog = scene.client.catalog(&Chats).await.unwrap();
    let found = catalog.iter().find(|chat| chat.id.as_str() == id).unwrap();
    assert_eq!(found.fields, named("Night", "managed"));
    scene.send(&delete(Chats, id)).await.unwrap();
    scene.send(&delete(Chats, id)).await.unwrap();
    assert_eq!(scene.object(Chats, id).await, Ok(None));
    let catalog = scene.client.catalog(&Chats).await.unwrap();
    assert!(catalog.iter().all(|chat| chat.id.as_str() != id));
    assert_eq!(scene.calls("dissolveChat").await, 2);
}

#[tokio::test]
async fn a_user_group_is_made_changed_filled_emptied_and_deleted() {
    use Collection::UserGroups;
    let scene = Scene::new().await;
    let write = create(UserGroups, Some("oncall"));
    let made = scene.send(&write).await.unwrap().object.unwrap();
    assert_eq!(made.id.as_str(), "oncall");
    let write = update(UserGroups, "oncall", Field::Description, "nights");
    scene.send(&write).await.unwrap();
    let people = ["ou_a", "ou_b", "ou_left", "ou_far", "ou_nobody"];
    let done = scene
        .send(&add(UserGroups, "oncall", &people))
        .await
        .unwrap();
    insta::assert_debug_snapshot!(done.rejected, @r#"
    {
        "ou_far": "is outside of the app's contact scope (code 41050)",
        "ou_left": "has left the organisation (code 42006)",
        "ou_nobody": "Feishu does not know them (code 41073)",
    }
    "#);
    let again = scene.send(&add(UserGroups, "oncall", &["ou_a"])).await;
    assert_eq!(again, Ok(Done::default()));
    let write = remove(UserGroups, "oncall", &["ou_b", "ou_left"]);
    assert_eq!(scene.send(&write).await, Ok(Done::default()));
    let object = scene.object(UserGroups, "oncall").await.unwrap().unwrap();
    let mut expected = named("On call", "nights");
    expected.set(Field::Members, Value::Items(set(&["ou_a"])));
    assert_eq!((object.id.as_str(), &object.fields), ("oncall", &expected));
    // The list has two ids for it, of which only one is any good.
    let catalog = scene.client.catalog(&UserGroups).await.unwrap();
    assert_eq!(catalog.len(), 1);
    assert_eq!(catalog[0].id.as_str(), "oncall");
    assert_eq!(catalog[0].fields, named("On call", "nights"));

    let full = scene.send(&delete(UserGroups, "oncall")).await.unwrap_err();
    assert!(full.with_hint().contains("admin console"), "{full:?}");
    let write = remove(UserGroups, "oncall", &["ou_a"]);
    scene.send(&write).await.unwrap();
    for _ in 0..2 {
        scene.send(&delete(UserGroups, "oncall")).await.unwrap();
    }
    assert_eq!(scene.object(UserGroups, "oncall").await, Ok(None));
    assert_eq!(scene.calls("deleteUserGroup").await, 3);
}

#[tokio::test]
async fn out_of_sight_is_not_gone() {
    use Collection::{Chats, UserGroups};
    let scene = Scene::new().await;
    for (id, public) in [("oc_private", false), ("oc_public", true)] {
        let body = json!({"name": "n", "chat_id": id, "members": [], "public": public});
        scene.control("POST", "/chats", body).await;
    }
    scene
        .control(
            "POST",
            "/user_groups",
            json!({"id": "far", "name": "Far", "out_of_scope": true}),
        )
        .await;
    let visible = scene.object(UserGroups, "far").await.unwrap();
    assert!(visible.is_some());
    scene
        .control("POST", "/tenant", json!({"all_employees": false}))
        .await;
    let mut said = String::new();
    for (collection, id) in [
        (Chats, "oc_private"),
        (Chats, "oc_public"),
        (Chats, "oc_nowhere"),
        (UserGroups, "far"),
    ] {
        let error = scene.object(collection, id).await.unwrap_err();
        assert!(matches!(error, ApiError::Refused(_)), "{error:?}");
        let hint = error.answer().unwrap().hint.as_deref().unwrap();
        let code = error.answer().unwrap().code;
        let _ = writeln!(said, "{id} {code:?}: {hint}");
    }
    insta::assert_snapshot!(said, @r"
    oc_private Some(232011): Add the app's bot back to the chat.
    oc_public None: Add the app's bot back to the chat.
    oc_nowhere Some(232006): Check the chat's id; an open chat id begins with `oc_`.
    far Some(42009): Set the app's contact scope to all employees in the developer console; only a self-built app may write contact user groups.
    ");
    assert_eq!(scene.object(UserGroups, "nowhere").await, Ok(None));
    scene
        .control("DELETE", "/chats/oc_private", Json::Null)
        .await;
    assert!(scene.object(Chats, "oc_private").await.is_err());
    let bot = json!({"app_id": APP_ID});
    let body = json!({"name": "n", "chat_id": "oc_mine", "members": [APP_ID]});
    scene.control("POST", "/chats", body).await;
    scene.control("POST", "/chats/oc_public/members", bot).await;
    scene.control("DELETE", "/chats/oc_mine", Json::Null).await;
    assert_eq!(scene.object(Chats, "oc_mine").await, Ok(None));
    assert!(scene.object(Chats, "oc_public").await.unwrap().is_some());
    scene.calls("getChat").await;
}

#[tokio::test]
async fn lists_are_read_to_their_end() {
    use Collection::{Chats, UserGroups};
    let scene = Scene::new().await;
    let people: Vec<Json> = (0..130)
        .map(|n| json!({"open_id": format!("ou_{n}")}))
        .collect();
    scene.control("POST", "/users", json!(people)).await;
    let ids: Vec<String> = (0..130).map(|n| format!("ou_{n}")).collect();
    let body = json!({"name": "n", "chat_id": "oc_full", "users": ids, "owner": "ou_7"});
    scene.control("POST", "/chats", body).await;
    let body = json!({"name": "Full", "id": "full", "users": ids});
    scene.control("POST", "/user_groups", body).await;
    for n in 0..100 {
        scene
            .control("POST", "/chats", json!({"name": format!("room {n}")}))
            .await;
        let body = json!({"name": format!("group {n}"), "id": format!("g{n}")});
        scene.control("POST", "/user_groups", body).await;
    }
    let everyone: BTreeSet<String> = ids.into_iter().collect();
    for (collection, id) in [(Chats, "oc_full"), (UserGroups, "full")] {
        let object = scene.object(collection, id).await.unwrap().unwrap();
        assert_eq!(object.fields.items(Field::Members), &everyone);
        let owner = (id == "oc_full").then(|| text("ou_7"));
        assert_eq!(object.fields.get(Field::Owner), owner.as_ref());
    }
    // With the chat that the stage has.
    assert_eq!(scene.client.catalog(&Chats).await.unwrap().len(), 102);
    assert_eq!(scene.client.catalog(&UserGroups).await.unwrap().len(), 101);
    for operation in [
        "listChatMembers",
        "listUserGroupMembers",
        "listChats",
        "listUserGroups",
    ] {
        assert_eq!(scene.calls(operation).await, 2, "{operation}");
    }
    let nothing = scene.client.catalog(&Collection::Ledger).await;
    assert_eq!(nothing, Ok(vec![]));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_ends_as_its_contract_lets_it() {
    use Collection::{Chats, UserGroups};
    let scene = Scene::new().await;
    let group = create(UserGroups, Some("oncall"));
    for fault in [
        "lost-reply@createUserGroup:1",
        "5xx-after@createChat:1",
        "lost-reply@batchAddUserGroupMembers:1",
        "lost-reply@dissolveChat:1",
    ] {
        scene.fault(fault).await;
    }
    let made = scene.send(&group).await.unwrap().object.unwrap();
    assert_eq!(made.id.as_str(), "oncall");
    assert_eq!(scene.calls("createUserGroup").await, 2);
    // Everybody is there already when it is repeated.
    let done = scene
        .send(&add(UserGroups, "oncall", &["ou_a", "ou_b"]))
        .await;
    assert_eq!(done, Ok(Done::default()));
    assert_eq!(scene.calls("batchAddUserGroupMembers").await, 2);
    // A group that was there before the first attempt is somebody else's.
    let error = scene.send(&group).await.unwrap_err();
    assert!(
        matches!(&error, ApiError::Refused(a) if a.code == Some(47005)),
        "{error:?}"
    );

    let error = scene.send(&create(Chats, None)).await.unwrap_err();
    assert!(matches!(error, ApiError::Unknown(_)), "{error:?}");
    assert_eq!(scene.calls("createChat").await, 1);
    let chat = scene
        .send(&create(Chats, None))
        .await
        .unwrap()
        .object
        .unwrap();
    scene.send(&delete(Chats, chat.id.as_str())).await.unwrap();
    assert_eq!(scene.calls("dissolveChat").await, 2);
}

fn recipients(list: &[&str]) -> Vec<Recipient> {
    let one = |text: &&str| Recipient::parse(Vendor::Feishu, text).unwrap();
    list.iter().map(one).collect()
}

/// A sighting in a word.
fn word(sighting: &Sighting) -> String {
    match sighting {
        Sighting::Person(person) => person.to_string(),
        Sighting::Many => "many".to_owned(),
        Sighting::Unseen(why) => why.clone(),
    }
}

#[tokio::test]
async fn everybody_is_found_by_whatever_they_are_called() {
    let scene = Scene::new().await;
    let asked = recipients(&[
        "email bo@example.com",
        "user ou_a",
        "department od-dev",
        "mobile +8613800000001",
        "user on_b",
        "email nobody@example.com",
        "user a",
        "email ada@example.com",
        "email left@example.com",
        "email far@example.com",
        "mobile +14155550100",
        "mobile +14155550199",
        "user ou_left",
        "user ou_far",
        "user on_nobody",
        "department dev",
        "department far",
        "department od-nowhere",
        "user ou_a",
        "everyone",
    ]);
    let seen = scene.directory.look_up(&asked).await.unwrap();
    let mut said = String::new();
    for (recipient, sighting) in asked.iter().zip(&seen) {
        let word = word(sighting);
        let short = word.split([':', ',']).next().unwrap();
        let _ = writeln!(said, "{recipient}: {short}");
    }
    assert_eq!(asked.len(), seen.len());
    insta::assert_snapshot!(said, @r"
    email bo@example.com: user ou_b
    user ou_a: user ou_a
    department od-dev: many
    mobile +8613800000001: user ou_a
    user on_b: user ou_b
    email nobody@example.com: is not shown by Feishu
    user a: user ou_a
    email ada@example.com: user ou_a
    email left@example.com: is not shown by Feishu
    email far@example.com: is not shown by Feishu
    mobile +14155550100: user ou_b
    mobile +14155550199: is not shown by Feishu
    user ou_left: has left the organisation
    user ou_far: is not shown by Feishu
    user on_nobody: is not shown by Feishu
    department dev: many
    department far: is not shown by Feishu
    department od-nowhere: is not shown by Feishu
    user ou_a: user ou_a
    everyone: is nobody whom Feishu could look up
    ");
    assert_eq!(scene.calls("batchGetUserIds").await, 1);
    assert_eq!(scene.calls("batchGetUsers").await, 3);
    assert_eq!(scene.calls("batchGetDepartments").await, 2);
    assert_eq!(scene.directory.look_up(&[]).await, Ok(vec![]));
}

#[tokio::test]
async fn a_batch_holds_fifty_of_each() {
    let scene = Scene::new().await;
    let mut asked = Vec::new();
    for n in 0..101 {
        asked.extend(recipients(&[
            &format!("email p{n}@example.com"),
            &format!("user ou_{n}"),
            &format!("department od-{n}"),
        ]));
    }
    for n in 100..151 {
        asked.extend(recipients(&[&format!("mobile +861390000{n:04}")]));
    }
    let people: Vec<Json> = (0..101)
        .map(|n| json!({"open_id": format!("ou_{n}"), "email": format!("p{n}@example.com"), "mobile": format!("1390000{n:04}")}))
        .collect();
    scene.control("POST", "/users", json!(people)).await;
    let seen = scene.directory.look_up(&asked).await.unwrap();
    for (recipient, sighting) in asked.iter().zip(&seen) {
        let found = matches!(sighting, Sighting::Person(_));
        let expected = match recipient {
            Recipient::Mobile(number) => &**number == "+8613900000100",
            Recipient::OpenDepartment(_) => false,
            _ => true,
        };
        assert_eq!(found, expected, "{recipient}: {sighting:?}");
    }
    assert_eq!(scene.calls("batchGetUserIds").await, 3);
    assert_eq!(scene.calls("batchGetUsers").await, 3);
    assert_eq!(scene.calls("batchGetDepartments").await, 3);
}

/// An answer with code 0 and this `data`.
fn good(data: Json) -> Step {
    answer(200, json!({"code": 0, "msg": "", "data": data}).to_string())
}

/// A refusal as the contract has it.
fn refusal(number: i64) -> Step {
    code(400, number)
}

fn html() -> Step {
    with(502, "content-type: text/html\r\n", "<html>busy</html>")
}

/// What became of something in a word, and the number of requests that it took.
fn outcome<T>(server: &Server, result: &Result<T, ApiError>) -> String {
    let word = match result {
        Ok(_) => "ok",
        Err(ApiError::Refused(_)) => "refused",
        Err(ApiError::Unreachable(_)) => "unreachable",
        Err(ApiError::Unknown(_)) => "unknown",
    };
    format!("{word} {}", server.calls())
}

async fn sent(steps: &[Step], write: &Write) -> (String, Result<Done, ApiError>) {
    let server = Server::start(steps.iter().cloned()).await;
    let client = server.client();
    let result = client.send(&client.encode(write)).await;
    (outcome(&server, &result), result)
}

#[tokio::test]
async fn an_object_is_whole_or_it_is_an_error() {
    use Collection::{Chats, UserGroups};
    let chat = || good(json!({"name": "n", "chat_mode": "group", "chat_status": "normal"}));
    let group = || good(json!({"group": {"id": "g1", "name": "n", "group_id": "other"}}));
    let people = |ids: &[&str], more: bool, token: &str| {
        let items: Vec<Json> = ids.iter().map(|id| json!({"member_id": id})).collect();
        good(json!({"items": items, "memberlist": null, "has_more": more, "page_token": token}))
    };
    let listed = |ids: &[&str], more: bool, token: &str| {
        let items: Vec<Json> = ids.iter().map(|id| json!({"member_id": id})).collect();
        good(json!({"memberlist": items, "has_more": more, "page_token": token}))
    };
    let odd = |item: Json| good(json!({"items": [item], "has_more": false}));
    let outline = good(
        json!({"name": "n", "user_count": "2", "bot_count": "0", "chat_status": "normal", "description": null}),
    );
    let dissolved = |status: &str| good(json!({"name": "n", "chat_status": status}));
    #[rustfmt::skip]
    let table: Vec<(&str, Collection, Vec<Step>, &str)> = vec![
        ("whole", Chats, vec![chat(), listed(&["a"], true, "p"), listed(&[], false, "")], "[a] 3"),
        ("pages that overlap", Chats, vec![chat(), listed(&["a", "b"], true, "p"), listed(&["b", "c"], false, "")], "[a b c] 3"),
        ("an empty page amid", Chats, vec![chat(), listed(&[], true, "p"), listed(&["a"], false, "p")], "[a] 3"),
        ("absent", Chats, vec![chat(), good(json!({}))], "[] 2"),
        ("a page that comes again", Chats, vec![chat(), listed(&["a"], true, "p"), listed(&["a"], false, "")], "unknown 3"),
        ("a token that comes again", Chats, vec![chat(), listed(&["a"], true, "p"), listed(&["b"], true, "p")], "unknown 3"),
        ("more without a token", Chats, vec![chat(), listed(&["a"], true, "")], "unknown 2"),
        ("no data", Chats, [vec![chat()], vec![answer(200, r#"{"code":0}"#); 4]].concat(), "unknown 5"),
        ("a member without an id", Chats, [vec![chat()], vec![odd(json!({"name": "n"})); 4]].concat(), "unknown 5"),
        ("a member that is null", Chats, [vec![chat()], vec![odd(Json::Null); 4]].concat(), "unknown 5"),
        ("ids of another kind", Chats, vec![chat(), odd(json!({"member_id": "a", "member_id_type": "user_id"}))], "unknown 2"),
        ("two arrays", Chats, [vec![chat()], vec![people(&["a"], false, ""); 4]].concat(), "unknown 5"),
        ("a flap", Chats, vec![html(), chat(), Step::Close, listed(&["a"], false, "")], "[a] 4"),
        ("nothing but HTML", Chats, vec![html(); 4], "unknown 4"),
        ("an outline", Chats, vec![outline], "refused 1"),
        ("outside", Chats, vec![refusal(232011)], "refused 1"),
        ("outside by now", Chats, vec![chat(), refusal(232011)], "refused 2"),
        ("another's", Chats, vec![refusal(99992356)], "refused 1"),
        ("unlisted", Chats, vec![refusal(4711)], "unknown 1"),
        ("dissolved", Chats, vec![dissolved("dissolved")], "gone 1"),
        ("dissolved, kept", Chats, vec![dissolved("dissolved_save")], "gone 1"),
        ("dissolved, by code", Chats, vec![refusal(232009)], "gone 1"),
        ("dissolved by now", Chats, vec![chat(), refusal(232009)], "gone 2"),
        ("dissolved, behind a 5xx", Chats, vec![code(502, 232009); 4], "unknown 4"),
        ("whole", UserGroups, vec![group(), listed(&["a"], false, "")], "[a] 2"),
        ("departments", UserGroups, vec![group(), good(json!({"memberlist": [{"member_id": "od-a", "member_type": "department"}]}))], "[] 2"),
        ("another", UserGroups, vec![good(json!({"group": {"id": "g2", "name": "n"}})); 4], "unknown 4"),
        ("by its other id", UserGroups, vec![good(json!({"group": {"id": "x", "group_id": "g1"}})), listed(&[], false, "")], "[] 2"),
        ("no group", UserGroups, vec![good(json!({})); 4], "unknown 4"),
        ("gone", UserGroups, vec![refusal(42002), refusal(42002)], "gone 2"),
        ("one of two lags", UserGroups, vec![group(), refusal(42002)], "refused 2"),
        ("out of scope", UserGroups, vec![refusal(42002), code(403, 42009)], "refused 2"),
        ("half there", UserGroups, vec![refusal(42002), listed(&[], false, "")], "refused 2"),
        ("for the console", UserGroups, vec![refusal(42029)], "refused 1"),
        ("a page that comes again", UserGroups, vec![group(), listed(&["a"], true, "p"), listed(&["a"], true, "q")], "unknown 3"),
    ];
    for (name, collection, steps, expected) in table {
        let server = Server::start(steps).await;
        let id = RemoteId::new(if collection == Chats { ROOM } else { "g1" });
        let found = server.client().object(&collection, &id).await;
        let said = match &found {
            Ok(Some(object)) => {
                assert_eq!(object.id, id, "{name}");
                let members = object.fields.items(Field::Members).iter();
                let members: Vec<&str> = members.map(String::as_str).collect();
                format!("[{}] {}", members.join(" "), server.calls())
            }
            Ok(None) => format!("gone {}", server.calls()),
            Err(_) => outcome(&server, &found),
        };
        assert_eq!(said, expected, "{name}: {found:?}");
    }
}

#[tokio::test]
async fn a_catalog_that_is_not_whole_is_an_error() {
    let page = |name: &str, ids: &[&str], more: bool, token: &str| {
        let items: Vec<Json> = ids
            .iter()
            .map(|id| json!({"chat_id": id, "id": id, "name": "n", "chat_status": "normal"}))
            .collect();
        good(json!({name: items, "has_more": more, "page_token": token}))
    };
    for (collection, name) in [
        (Collection::Chats, "items"),
        (Collection::UserGroups, "grouplist"),
    ] {
        let page = |ids: &[&str], more, token| page(name, ids, more, token);
        for (steps, expected) in [
            (
                vec![page(&["a"], true, "p"), page(&["b"], false, "")],
                "ok 2",
            ),
            (
                vec![page(&["a"], true, "p"), page(&["a"], true, "q")],
                "unknown 2",
            ),
            (vec![page(&["a"], true, "")], "unknown 1"),
            (vec![page(&[""], false, ""); 4], "unknown 4"),
        ] {
            let server = Server::start(steps).await;
            let found = server.client().catalog(&collection).await;
            assert_eq!(outcome(&server, &found), expected, "{collection}");
        }
    }
}

/// A name, a write, what it is answered, its outcome, and who was not added.
type Case<'a> = (&'a str, &'a Write, Vec<Step>, &'a str, &'a [&'a str]);

#[tokio::test]
async fn who_was_not_added_is_said_with_why() {
    use Collection::{Chats, UserGroups};
    let chat = add(Chats, ROOM, &["ou_a", "ou_b", "ou_c"]);
    let lists = good(
        json!({"invalid_id_list": ["ou_a"], "not_existed_id_list": null, "pending_approval_id_list": ["ou_c"]}),
    );
    let group = add(UserGroups, "g", &["ou_a", "ou_b"]);
    let one = add(UserGroups, "g", &["ou_a"]);
    let results = |codes: &[(&str, i64)]| {
        let one = |(id, code): &(&str, i64)| json!({"member_id": id, "code": code});
        good(json!({"results": codes.iter().map(one).collect::<Vec<_>>()}))
    };
    #[rustfmt::skip]
    let table: Vec<Case<'_>> = vec![
        ("in part", &chat, vec![lists], "ok 1", &["ou_a", "ou_c"]),
        ("nobody", &chat, vec![refusal(232027)], "ok 1", &["ou_a", "ou_b", "ou_c"]),
        ("nobody, after a doubt", &chat, vec![Step::Close, refusal(232027)], "unknown 2", &[]),
        ("all", &chat, vec![good(json!({}))], "ok 1", &[]),
        ("full", &chat, vec![refusal(232013)], "refused 1", &[]),
        ("at the same time", &chat, vec![refusal(232019), good(json!({}))], "ok 2", &[]),
        ("no data", &chat, vec![good(Json::Null); 4], "unknown 4", &[]),
        ("odd lists", &chat, vec![good(json!({"invalid_id_list": "ou_a"})); 4], "unknown 4", &[]),
        ("each its own", &group, vec![results(&[("ou_a", 41050), ("ou_b", 42005)])], "ok 1", &["ou_a"]),
        ("an unknown reason", &group, vec![results(&[("ou_a", 4711), ("ou_b", 0)])], "ok 1", &["ou_a"]),
        ("one not spoken of", &group, vec![results(&[("ou_a", 0)]); 4], "unknown 4", &[]),
        ("none spoken of", &group, vec![good(json!({})); 4], "unknown 4", &[]),
        ("present", &one, vec![code(200, 42005)], "ok 1", &[]),
        ("who of them is present", &group, vec![code(200, 42005); 4], "unknown 4", &[]),
        ("out of scope", &group, vec![code(403, 41050)], "refused 1", &[]),
        ("HTML, then good", &group, vec![html(), results(&[("ou_a", 0), ("ou_b", 42005)])], "ok 2", &[]),
    ];
    for (name, write, steps, expected, not_added) in table {
        let (said, result) = sent(&steps, write).await;
        assert_eq!(said, expected, "{name}: {result:?}");
        let done = result.unwrap_or_default();
        assert_eq!(rejected(&done), not_added, "{name}");
        assert!(done.rejected.values().all(|why| why.len() > 10), "{name}");
        let waits = done.rejected.get("ou_c").filter(|_| name == "in part");
        assert!(waits.is_none_or(|why| why.contains("approval")), "{name}");
    }
}

#[tokio::test]
async fn each_write_has_its_verdict() {
    use Collection::{Chats, UserGroups};
    let make_chat = create(Chats, None);
    let make_group = create(UserGroups, Some("g"));
    let name_chat = update(Chats, ROOM, Field::Name, "n");
    let name_group = update(UserGroups, "g", Field::Name, "n");
    let empty_chat = remove(Chats, ROOM, &["ou_a"]);
    let empty_group = remove(UserGroups, "g", &["ou_a"]);
    let drop_chat = delete(Chats, ROOM);
    let drop_group = delete(UserGroups, "g");
    let made = || good(json!({"group_id": "g"}));
    let nothing = || good(Json::Null);
    #[rustfmt::skip]
    let table: Vec<(&str, &Write, Vec<Step>, &str)> = vec![
        ("no answer", &make_chat, vec![Step::Close], "unknown 1"),
        ("HTML", &make_chat, vec![html()], "unknown 1"),
        ("no id", &make_chat, vec![good(json!({"name": "n"}))], "unknown 1"),
        ("overload", &make_chat, vec![refusal(232019)], "unknown 1"),
        ("an equal one is made", &make_chat, vec![refusal(232068)], "unknown 1"),
        ("moderation", &make_chat, vec![refusal(232023)], "refused 1"),
        ("throttle", &make_chat, vec![refusal(99991400), good(json!({"chat_id": ROOM}))], "ok 2"),
        ("taken", &make_group, vec![refusal(47005)], "refused 1"),
        ("taken, by the first attempt", &make_group, vec![Step::Close, refusal(47005)], "ok 2"),
        ("taken, after a refusal", &make_group, vec![refusal(99991400), refusal(47005)], "refused 2"),
        ("taken, behind a 5xx", &make_group, vec![Step::Close, code(502, 47005), made()], "ok 3"),
        ("name taken", &make_group, vec![refusal(47009)], "refused 1"),
        ("name taken, perhaps by us", &make_group, vec![html(), refusal(47009)], "unknown 2"),
        ("no id", &make_group, vec![good(json!({})), refusal(47005)], "ok 2"),
        ("too many", &make_group, vec![refusal(42016)], "refused 1"),
        ("empty answer", &name_chat, vec![nothing()], "ok 1"),
        ("dissolved", &name_chat, vec![refusal(232009)], "refused 1"),
        ("again", &name_chat, vec![html(), nothing()], "ok 2"),
        ("again", &name_group, vec![code(500, 40003), nothing()], "ok 2"),
        ("not a member", &empty_chat, vec![good(json!({"invalid_id_list": ["ou_a"]}))], "ok 1"),
        ("nobody", &empty_chat, vec![refusal(232027)], "ok 1"),
        ("nobody, after a doubt", &empty_chat, vec![Step::Close, refusal(232027)], "ok 2"),
        ("the owner", &empty_chat, vec![refusal(232076)], "refused 1"),
        ("in part", &empty_group, vec![refusal(40022)], "unknown 1"),
        ("all", &empty_group, vec![nothing()], "ok 1"),
        ("there", &drop_chat, vec![nothing()], "ok 1"),
        ("gone", &drop_chat, vec![refusal(232009)], "ok 1"),
        ("not ours", &drop_chat, vec![refusal(232017)], "refused 1"),
        ("gone", &drop_group, vec![Step::Close, refusal(42002)], "ok 2"),
        ("full", &drop_group, vec![refusal(42017)], "refused 1"),
    ];
    for (name, write, steps, expected) in table {
        let (said, result) = sent(&steps, write).await;
        assert_eq!(said, expected, "{name}: {write:?}: {result:?}");
        let done = result.unwrap_or_default();
        let made = done.object.map(|object| object.id);
        let wanted = match write {
            Write::Create { id: Some(id), .. } => Some(id.clone()),
            Write::Create { .. } => Some(RemoteId::new(ROOM)),
            _ => None,
        };
        let wanted = wanted.filter(|_| expected.starts_with("ok"));
        assert_eq!(made, wanted, "{name}");
    }
}

#[tokio::test]
async fn requests_are_those_of_the_contract() {
    use Collection::{Chats, UserGroups};
    let server = Server::start([]).await;
    let client = server.client();
    let both = |collection: Collection, id: &str| Write::Update {
        collection,
        id: RemoteId::new(id),
        fields: named("n", "d"),
    };
    for write in [
        create(Chats, None),
        both(Chats, ROOM),
        update(Chats, ROOM, Field::Description, ""),
        delete(Chats, ROOM),
        add(Chats, ROOM, &["ou_b", "ou_a"]),
        remove(Chats, ROOM, &["ou_a"]),
        create(UserGroups, Some("g1")),
        both(UserGroups, "g1"),
        update(UserGroups, "g1", Field::Name, "n"),
        delete(UserGroups, "g1"),
        add(UserGroups, "g1", &["ou_b", "ou_a"]),
        remove(UserGroups, "g1", &["ou_a"]),
    ] {
        assert!(client.send(&client.encode(&write)).await.is_err());
    }
    let mut said = String::new();
    for seen in server.seen() {
        let body = Some(seen.body.as_str()).filter(|body| !body.is_empty());
        let _ = writeln!(said, "{}\n  {}", seen.line, body.unwrap_or("-"));
    }
    insta::assert_snapshot!(said, @r#"
    POST /open-apis/im/v1/chats
      {"name":"On call","description":"managed","chat_type":"private"}
    PUT /open-apis/im/v1/chats/oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f
      {"name":"n","description":"d"}
    PUT /open-apis/im/v1/chats/oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f
      {"description":""}
    DELETE /open-apis/im/v1/chats/oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f
      -
    POST /open-apis/im/v1/chats/oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f/members?member_id_type=open_id&succeed_type=1
      {"id_list":["ou_a","ou_b"]}
    DELETE /open-apis/im/v1/chats/oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f/members?member_id_type=open_id
      {"id_list":["ou_a"]}
    POST /open-apis/contact/v3/group
      {"group_id":"g1","name":"On call","description":"managed","type":1}
    PATCH /open-apis/contact/v3/group/g1
      {"name":"n","description":"d"}
    PATCH /open-apis/contact/v3/group/g1
      {"name":"n"}
    DELETE /open-apis/contact/v3/group/g1
      -
    POST /open-apis/contact/v3/group/g1/member/batch_add
      {"members":[{"member_id":"ou_a","member_type":"user","member_id_type":"open_id"},{"member_id":"ou_b","member_type":"user","member_id_type":"open_id"}]}
    POST /open-apis/contact/v3/group/g1/member/batch_remove
      {"members":[{"member_id":"ou_a","member_type":"user","member_id_type":"open_id"}]}
    "#);
    assert_eq!(client.people_per_call(&Chats), 50);
    assert_eq!(client.people_per_call(&UserGroups), 100);
}

#[tokio::test]
async fn a_call_that_makes_no_sense_is_not_sent() {
    use Collection::{Chats, UserGroups};
    let server = Server::start([]).await;
    let client = server.client();
    let list = Collection::from("cc371766-6584-cf50-a222-c22cd9055004");
    let good = client.encode(&delete(Chats, ROOM));
    let odd = [
        client.encode(&add(list.clone(), "g", &["ou_a"])),
        client.encode(&remove(list, "g", &["ou_a"])),
        client.encode(&add(Collection::Ledger, "g", &["ou_a"])),
        client.encode(&create(UserGroups, None)),
        Call {
            collection: UserGroups,
            ..good.clone()
        },
        Call {
            operation: "deleteUserGroup".into(),
            ..good.clone()
        },
        Call {
            operation: "addChatMembers".into(),
            ..good.clone()
        },
        Call { id: None, ..good },
        client.encode(&delete(Chats, "..")),
    ];
    for call in odd {
        let result = client.send(&call).await;
        assert!(matches!(result, Err(ApiError::Unreachable(_))), "{call:?}");
    }
    let known = client
        .object(&Collection::Ledger, &RemoteId::new("g"))
        .await;
    assert!(matches!(known, Err(ApiError::Unreachable(_))), "{known:?}");
    assert_eq!(server.calls(), 0);
}

async fn looked_up(steps: Vec<Step>, asked: &[&str]) -> String {
    let server = Server::start(steps).await;
    let (_, Jobs { directory, .. }) = feishu(server.settings()).unwrap();
    match directory.look_up(&recipients(asked)).await {
        Ok(seen) => {
            let words: Vec<String> = seen.iter().map(word).collect();
            let short = |word: &String| word.split([':', ',']).next().unwrap().to_owned();
            let words: Vec<String> = words.iter().map(short).collect();
            format!("{} {}", words.join("; "), server.calls())
        }
        error => outcome(&server, &error),
    }
}

#[tokio::test]
async fn an_answer_about_people_is_read_with_care() {
    let list = |entries: Json| good(json!({"user_list": entries}));
    let items = |entries: Json| good(json!({"items": entries}));
    let li = "email li@example.com";
    let number = "mobile +8613800000000";
    let li_found = json!({"email": "LI@example.com", "user_id": "ou_li"});
    let status =
        |name: &str| json!({"email": "li@example.com", "user_id": "ou_li", "status": {name: true}});
    let ids = ["user ou_a", "user ou_b", "user ou_c"];
    let user = |id: &str| json!({"open_id": id});
    const UNSEEN: &str = "is not shown by Feishu";
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<Step>, Vec<&str>, String)> = vec![
        ("another spelling", vec![list(json!([li_found, {"mobile": "13800000000", "user_id": "ou_wu"}]))], vec![number, li], "user ou_wu; user ou_li 1".into()),
        ("empty", vec![list(json!([{"email": "li@example.com", "user_id": ""}]))], vec![li], format!("{UNSEEN} 1")),
        ("null", vec![list(json!([{"email": "li@example.com", "user_id": null, "mobile": null}]))], vec![li], format!("{UNSEEN} 1")),
        ("resigned", vec![list(json!([status("is_resigned")]))], vec![li], "has left the organisation 1".into()),
        ("exited", vec![list(json!([status("is_exited")]))], vec![li], "has left the organisation 1".into()),
        ("frozen", vec![list(json!([status("is_frozen")]))], vec![li], "has an account that is frozen 1".into()),
        ("activated", vec![list(json!([status("is_activated")]))], vec![li], "user ou_li 1".into()),
        ("no entry", vec![list(json!([li_found])); 4], vec![li, number], "unknown 4".into()),
        ("no list", vec![good(json!({})); 4], vec![li], "unknown 4".into()),
        ("no data", vec![good(Json::Null); 4], vec![li], "unknown 4".into()),
        ("a flap", vec![html(), Step::Close, list(json!([li_found]))], vec![li], "user ou_li 3".into()),
        ("a flap, then a refusal", vec![html(), refusal(99991672)], vec![li], "refused 2".into()),
        ("left out", vec![items(json!([user("ou_b")]))], ids.into(), format!("{UNSEEN}; user ou_b; {UNSEEN} 1")),
        ("nobody", vec![good(json!({}))], vec!["user ou_a"], format!("{UNSEEN} 1")),
        ("without an open_id", vec![items(json!([{"union_id": "on_a"}]))], vec!["user on_a"], format!("{UNSEEN} 1")),
        ("without what was asked", vec![items(json!([{"open_id": "ou_a"}]))], vec!["user on_a"], format!("{UNSEEN} 1")),
        ("frozen, by id", vec![items(json!([{"open_id": "ou_a", "status": {"is_frozen": true}}]))], vec!["user ou_a"], "has an account that is frozen 1".into()),
        // The second half is asked first, whole; then the first, which is one id.
        ("one spoils it", vec![refusal(99992361), items(json!([user("ou_b"), user("ou_c")])), refusal(99992361)], ids.into(), format!("{UNSEEN}; user ou_b; user ou_c 3")),
        ("all spoil it", vec![refusal(41050); 5], ids.into(), format!("{UNSEEN}; {UNSEEN}; {UNSEEN} 5")),
        ("a refusal of another kind", vec![refusal(99991672)], ids.into(), "refused 1".into()),
        ("a refusal of half of it", vec![refusal(99992351), refusal(99991672)], ids.into(), "refused 2".into()),
        ("deleted", vec![items(json!([{"open_department_id": "od-a", "status": {"is_deleted": true}}]))], vec!["department od-a"], "was deleted 1".into()),
        ("there", vec![items(json!([{"department_id": "a", "open_department_id": "od-a"}]))], vec!["department a"], "many 1".into()),
        ("nobody to ask about", vec![], vec!["everyone"], "is nobody whom Feishu could look up 0".into()),
    ];
    for (name, steps, asked, expected) in table {
        assert_eq!(looked_up(steps, &asked).await, expected, "{name}");
    }
}

#[tokio::test]
async fn one_token_serves_both_jobs() {
    let empty = good(json!({"items": []}));
    let server = Server::start([empty.clone(), empty]).await;
    let (client, Jobs { directory, .. }) = feishu(server.settings()).unwrap();
    client.catalog(&Collection::Chats).await.unwrap();
    let asked = recipients(&["user ou_a"]);
    directory.look_up(&asked).await.unwrap();
    assert_eq!(directory.app(), client.app());
    assert_eq!((server.calls(), server.tokens()), (2, 1));
}

#[tokio::test]
async fn addresses_and_numbers_are_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        // Among so many microseconds some read like a number.
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    // With two subscribers alive every event is asked about anew; see `client.rs`.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);

    let words = "li@example.com and 13800000000, +86 138-0000-0000";
    let refused = json!({"code": 99992402, "msg": words, "error": {"field_violations": [{"field": "emails[0]", "value": "li@example.com", "description": words}]}});
    let odd = json!({"email": "li@example.com", "mobile": 13_800_000_000_u64, "user_id": {"x": "li@example.com"}});
    let whole = json!({"email": "li@example.com", "user_id": "ou_li"});
    let user = json!({"open_id": 7, "email": "li@example.com", "mobile": "13800000000"});
    let pages = [
        answer(400, refused.to_string()),
        answer(
            200,
            json!({"code": 0, "data": {"user_list": ["li@example.com"]}}).to_string(),
        ),
        answer(
            200,
            json!({"code": 0, "data": {"user_list": [odd]}}).to_string(),
        ),
        answer(
            200,
            json!({"code": 0, "data": {"user_list": [whole]}}).to_string(),
        ),
        answer(
            200,
            json!({"code": 0, "data": {"items": [user]}}).to_string(),
        ),
        with(502, "content-type: text/html\r\n", words),
    ];
    let mut said = String::new();
    for step in pages {
        for asked in [
            &["email li@example.com", "mobile +8613800000000"][..],
            &["user ou_a"],
        ] {
            let server = Server::start(vec![step.clone(); 4]).await;
            let (_, Jobs { directory, .. }) = feishu(server.settings()).unwrap();
            if let Err(error) = directory.look_up(&recipients(asked)).await {
                let _ = writeln!(said, "{error} {error:?} {}", error.with_hint());
            }
        }
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("batchGetUserIds") && log.contains("batchGetUsers"));
    assert!(
        said.contains("[private]") && said.contains("has no entry for 1"),
        "{said}"
    );
    for text in [said, log] {
        for private in ["li@", "example.com", "13800", "138-0000", "0000-0000"] {
            assert!(!text.contains(private), "{private} in {text}");
        }
    }
}

#[tokio::test]
async fn an_error_says_what_to_do() {
    use Collection::{Chats, UserGroups};
    let chat = add(Chats, ROOM, &["ou_a"]);
    let group = create(UserGroups, Some("g"));
    let mut said = String::new();
    for (write, number) in [
        (&chat, 99991672),
        (&group, 99991672),
        (&chat, 232013),
        (&chat, 232044),
        (&chat, 232017),
        (&delete(Chats, ROOM), 232017),
        (&chat, 232011),
        (&group, 42010),
        (&group, 42016),
        (&group, 47009),
        (&delete(UserGroups, "g"), 42017),
        (&remove(Chats, ROOM, &["ou_a"]), 232076),
        (&remove(UserGroups, "g", &["ou_a"]), 40022),
    ] {
        let (_, result) = sent(&[refusal(number)], write).await;
        let error = result.unwrap_err();
        let hint = error.answer().unwrap().hint.as_deref().unwrap_or("none");
        let _ = writeln!(said, "{number}: {hint}");
    }
    insta::assert_snapshot!(said, @"
    99991672: Grant the app one of the scopes `im:chat` in the developer console, and publish a version of it.
    99991672: Grant the app one of the scopes `contact:group` in the developer console, and publish a version of it.
    232013: The chat is full; remove people from it, or make another one.
    232044: The tenant's admin lets no more people into a chat; ask for a higher limit.
    232017: The bot must own the chat or be an admin of it, or have made it and hold the scope `im:chat:operate_as_owner`.
    232017: The bot must own the chat, or have made it and hold the scope `im:chat:operate_as_owner`; else its owner can dissolve it, and `forget:` lets go of it without that.
    232011: Add the app's bot back to the chat.
    42010: Set the app's contact scope to all employees in the developer console; only a self-built app may write contact user groups.
    42016: The tenant has 500 contact user groups, which is the most; delete one.
    47009: Another contact user group of the tenant has this name; choose another one, or adopt that group.
    42017: Only an empty group can be deleted. Departments in it, and people outside the app's contact scope, can be removed in the admin console only.
    232076: The owner of a chat cannot be removed; hand the chat to somebody else first, or leave them in it.
    40022: Some of the people could not be removed; plan again to see who is still in the group.
    ");
}
