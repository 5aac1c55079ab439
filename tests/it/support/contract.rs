//! Holds requests and responses against a vendor's OpenAPI file.
//!
//! Besides the schemas it knows the `x-error-codes` of our contracts: an answer whose code the
//! contract does not list for the operation, or not with that HTTP status, is a violation.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value, json};

/// Where the document lives for the schema compiler. Nothing is ever fetched.
const LOCATION: &str = "https://contract.invalid/openapi.json";

/// A loaded contract.
pub(crate) struct Contract {
    document: Value,
    operations: Vec<Operation>,
    schemas: Schemas,
    /// JSON pointer to a schema, and where it was compiled to.
    compiled: BTreeMap<String, SchemaIndex>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    /// JSON pointer to the operation.
    pointer: String,
}

/// What a message says that the contract does not allow.
pub(crate) type Violations = Vec<String>;

impl Contract {
    /// The contract of Feishu, read once.
    pub(crate) fn feishu() -> &'static Contract {
        static FEISHU: LazyLock<Contract> = LazyLock::new(|| Contract::read("feishu"));
        &FEISHU
    }

    /// The contract of DingTalk, read once.
    pub(crate) fn dingtalk() -> &'static Contract {
        static DINGTALK: LazyLock<Contract> = LazyLock::new(|| Contract::read("dingtalk"));
        &DINGTALK
    }

    /// The contract of EnOS, read once.
    pub(crate) fn enos() -> &'static Contract {
        static ENOS: LazyLock<Contract> = LazyLock::new(|| Contract::read("enos"));
        &ENOS
    }

    /// The contract that an operation of the sandbox belongs to, and its name there.
    pub(crate) fn of_operation(operation: &str) -> (&'static Contract, &str) {
        match operation.split_once('.') {
            Some(("dingtalk", id)) => (Contract::dingtalk(), id),
            Some(("enos", id)) => (Contract::enos(), id),
            _ => (Contract::feishu(), operation),
        }
    }

    fn read(vendor: &str) -> Contract {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/vendors");
        let path = format!("{folder}/{vendor}.openapi.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        Contract::parse(&text)
    }

    fn parse(text: &str) -> Contract {
        let document: Value = serde_yaml::from_str(text).unwrap();
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if let Some(id) = operation["operationId"].as_str() {
                    operations.push(Operation {
                        id: id.to_owned(),
                        method: method.to_uppercase(),
                        path: path.clone(),
                        pointer: format!("/paths/{}/{method}", escaped(path)),
                    });
                }
            }
        }
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource(LOCATION, document.clone()).unwrap();
        let mut pointers = Vec::new();
        for part in ["paths", "components"] {
            schemas_under(&document[part], &format!("/{part}"), &mut pointers);
        }
        let mut schemas = Schemas::new();
        let compiled = pointers
            .into_iter()
            .map(|pointer| {
                let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
                let index = compiler
                    .compile(&format!("{LOCATION}#{fragment}"), &mut schemas)
                    .unwrap_or_else(|error| panic!("{pointer}: {error}"));
                (pointer, index)
            })
            .collect();
        Contract {
            document,
            operations,
            schemas,
            compiled,
        }
    }

    /// The operationId that a method and path belong to, literal segments before varying ones.
    pub(crate) fn operation_of(&self, method: &str, path: &str) -> Option<&str> {
        self.find(method, path)
            .map(|operation| operation.id.as_str())
    }

    /// Method, path template and `x-rate-limit` of an operation.
    pub(crate) fn row(&self, operation_id: &str) -> Option<(&str, &str, &Value)> {
        let operation = self.by_id(operation_id)?;
        let limit = &self.document.pointer(&operation.pointer)?["x-rate-limit"];
        Some((&operation.method, &operation.path, limit))
    }

    /// Checks what a client sends: documented parameters with fitting values, a fitting body.
    pub(crate) fn check_request(
        &self,
        operation_id: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<(), Violations> {
        let Some(operation) = self.by_id(operation_id) else {
            return Err(vec![format!("no operation {operation_id}")]);
        };
        let mut violations = self.query_violations(operation, query);
        let own = format!("{}/requestBody", operation.pointer);
        let target = self
            .document
            .pointer(&own)
            .and_then(|own| own["$ref"].as_str());
        let own = target
            .and_then(|target| target.strip_prefix('#'))
            .unwrap_or(&own);
        // The log shows a form in parts as an object.
        let schema = ["application~1json", "multipart~1form-data"]
            .map(|kind| format!("{own}/content/{kind}/schema"))
            .into_iter()
            .find(|schema| self.document.pointer(schema).is_some());
        // The Node SDK sends `{}` with every GET and DELETE, so it means nothing there.
        let empty = body.is_none_or(|body| *body == json!({}));
        match (schema, body) {
            (Some(schema), Some(body)) => self.check(&schema, body, "body", &mut violations),
            (Some(_), None) => violations.push("a body is required".to_owned()),
            (None, _) if !empty => violations.push("no body is expected".to_owned()),
            (None, _) => {}
        }
        outcome(violations, operation_id)
    }

    /// Checks every request in the answer of the sandbox's `GET /_sandbox/calls`, each against the
    /// contract of its vendor.
    pub(crate) fn check_calls(&self, log: &Value) -> Result<(), Violations> {
        let mut violations = Violations::new();
        for call in log["calls"].as_array().into_iter().flatten() {
            let Some(operation) = call["operation"].as_str() else {
                violations.push(format!("{} {} is unknown", call["method"], call["path"]));
                continue;
            };
            let (contract, operation) = Contract::of_operation(operation);
            let mut query: Vec<(String, String)> = Vec::new();
            for (name, value) in call["query"].as_object().into_iter().flatten() {
                // A repeated parameter is logged as a list.
                let one = std::slice::from_ref(value);
                for value in value.as_array().map_or(one, |values| values) {
                    query.push((name.clone(), value.as_str().unwrap_or("").to_owned()));
                }
            }
            let body = Some(&call["body"]).filter(|body| !body.is_null());
            if let Err(more) = contract.check_request(operation, &query, body) {
                violations.extend(more);
            }
        }
        if violations.is_empty() {
            Ok(())
        } else {
            Err(violations)
        }
    }

    /// Checks an answer: a documented status, content type, body and code.
    pub(crate) fn check_response(
        &self,
        method: &str,
        path: &str,
        status: u16,
        content_type: &str,
        body: &str,
    ) -> Result<(), Violations> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let Some(operation) = self.find(method, path) else {
            let gateway = status == 404 && kind == "text/plain" && body == "404 page not found";
            return if gateway {
                Ok(())
            } else {
                Err(vec![format!(
                    "{method} {path} is no operation, yet answers {status} {kind}"
                )])
            };
        };
        let name = format!("{} {status}", operation.id);
        let Some(response) = self.response(operation, status) else {
            return outcome(vec!["the status is not documented".to_owned()], &name);
        };
        let schema = format!("{response}/content/{}/schema", escaped(kind));
        if self.document.pointer(&schema).is_none() {
            return outcome(vec![format!("{kind} is not documented")], &name);
        }
        let value = if kind == "application/json" {
            match serde_json::from_str(body) {
                Ok(value) => value,
                Err(error) => return outcome(vec![format!("no JSON: {error}")], &name),
            }
        } else {
            Value::String(body.to_owned())
        };
        let mut violations = Violations::new();
        self.check(&schema, &value, "answer", &mut violations);
        match code_of(&value).as_deref() {
            Some("0") if status != 200 => violations.push("code 0 with a failure".to_owned()),
            Some("0") | None => {}
            Some(code) if self.lists(operation, status, code) => {}
            Some(code) => violations.push(format!("code {code} is not listed for it")),
        }
        outcome(violations, &name)
    }

    /// The codes that the contract lists for an operation, with their statuses where it has them.
    pub(crate) fn codes(&self, operation_id: &str) -> Vec<(String, Option<u16>)> {
        let operation = self.by_id(operation_id).unwrap();
        let rows = &self.document.pointer(&operation.pointer).unwrap()["x-error-codes"];
        let rows = rows.as_array().into_iter().flatten();
        rows.map(|row| match row {
            Value::String(code) => (code.clone(), None),
            row => {
                let status = row["http"]
                    .as_u64()
                    .map(|status| status.try_into().unwrap());
                (row["code"].to_string(), status)
            }
        })
        .collect()
    }

    fn by_id(&self, id: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == id)
    }

    fn find(&self, method: &str, path: &str) -> Option<&Operation> {
        self.operations
            .iter()
            .filter(|operation| operation.method == method && fits(&operation.path, path))
            .min_by_key(|operation| operation.path.matches('{').count())
    }

    /// JSON pointer to the response object, through a `$ref`.
    fn response(&self, operation: &Operation, status: u16) -> Option<String> {
        let own = format!("{}/responses", operation.pointer);
        let pointer = [
            format!("{own}/{status}"),
            format!("{own}/{}XX", status / 100),
            format!("{own}/default"),
        ]
        .into_iter()
        .find(|pointer| self.document.pointer(pointer).is_some())?;
        match self.document.pointer(&pointer)?["$ref"].as_str() {
            Some(target) => target.strip_prefix('#').map(str::to_owned),
            None => Some(pointer),
        }
    }

    /// Feishu has rows with a status for each operation and for all. The others name codes for each
    /// operation, and the errors of tokens and limits in a catalog that is for all.
    fn lists(&self, operation: &Operation, status: u16, code: &str) -> bool {
        let own = self.document.pointer(&operation.pointer);
        let rows = [
            own.map(|own| &own["x-error-codes"]),
            Some(&self.document["x-common-error-codes"]),
        ];
        let listed = rows
            .into_iter()
            .flatten()
            .filter_map(Value::as_array)
            .flatten()
            .any(|row| {
                let http = &row["http"];
                let number = code.parse::<i64>();
                let same = *row == code || number.is_ok_and(|code| row["code"] == code);
                same && (http.is_null() || *http == status || status >= 500)
            });
        let general = &self.document["x-error-catalog"]["codes"][code];
        let for_all = match general["scope"].as_str() {
            // The page of the notices lists no codes of its own, so they have those of the portal.
            Some("portal") => own.is_some_and(|own| own["x-error-codes"] == json!([])),
            Some(scope) => ["all", "token and gateway", "other EnOS services"].contains(&scope),
            None => ["refresh-token", "retry-soon", "retry-late", "quota"]
                .into_iter()
                .chain(BAD_TOKEN.contains(&code).then_some("fix-request"))
                .any(|class| general["class"] == class),
        };
        listed || for_all
    }

    fn query_violations(&self, operation: &Operation, query: &[(String, String)]) -> Violations {
        let mut violations = Violations::new();
        let own = self.document.pointer(&operation.pointer);
        let listed = own.and_then(|own| own["parameters"].as_array());
        // Each parameter with the pointer to its schema.
        let parameters: Vec<(&Value, String)> = listed
            .into_iter()
            .flatten()
            .enumerate()
            .filter_map(|(index, parameter)| {
                let pointer = match parameter["$ref"].as_str() {
                    Some(target) => target.strip_prefix('#')?.to_owned(),
                    None => format!("{}/parameters/{index}", operation.pointer),
                };
                let parameter = self.document.pointer(&pointer)?;
                (parameter["in"] == "query").then(|| (parameter, format!("{pointer}/schema")))
            })
            .collect();
        for (name, text) in query {
            if *name == self.document["components"]["securitySchemes"]["oapiToken"]["name"] {
                continue;
            }
            let known = parameters
                .iter()
                .find(|(parameter, _)| parameter["name"] == name.as_str());
            let Some((parameter, schema)) = known else {
                violations.push(format!("query {name} is not documented"));
                continue;
            };
            let value = typed(text, &parameter["schema"]);
            self.check(schema, &value, &format!("query {name}"), &mut violations);
        }
        for (parameter, _) in &parameters {
            let name = parameter["name"].as_str().unwrap_or_default();
            if parameter["required"] == true && !query.iter().any(|(given, _)| given == name) {
                violations.push(format!("query {name} is required"));
            }
        }
        violations
    }

    fn check(&self, pointer: &str, value: &Value, what: &str, violations: &mut Violations) {
        let Some(index) = self.compiled.get(pointer) else {
            violations.push(format!("{what}: the contract has no {pointer}"));
            return;
        };
        if let Err(error) = self.schemas.validate(value, *index) {
            violations.push(format!("{what}: {error:#}"));
        }
    }
}

/// DingTalk's codes for a call without a token, which its catalog has among mistakes in a request.
const BAD_TOKEN: [&str; 4] = [
    "40000",
    "41001",
    "22",
    "AuthenticationFailed.MissingParameter",
];

/// The code of an answer, in the manner of any vendor. A wrapped code is the one that counts.
fn code_of(value: &Value) -> Option<String> {
    let names = ["sub_code", "errcode", "code", "status"];
    let code = names.into_iter().map(|name| &value[name]);
    match code.into_iter().find(|code| !code.is_null())? {
        Value::String(text) => Some(text.clone()),
        number => Some(number.to_string()),
    }
}

/// The places where OpenAPI has a schema: under `schema`, in contents and parameters.
fn schemas_under(value: &Value, pointer: &str, found: &mut Vec<String>) {
    let Some(map) = value.as_object() else {
        let items = value.as_array().into_iter().flatten().enumerate();
        for (index, item) in items {
            schemas_under(item, &format!("{pointer}/{index}"), found);
        }
        return;
    };
    for (key, inner) in map {
        let inner_pointer = format!("{pointer}/{}", escaped(key));
        match key.as_str() {
            "schema" => found.push(inner_pointer),
            // Components are compiled through the schemas that name them; examples are none.
            "schemas" | "example" => {}
            _ => schemas_under(inner, &inner_pointer, found),
        }
    }
}

fn outcome(violations: Violations, name: &str) -> Result<(), Violations> {
    if violations.is_empty() {
        return Ok(());
    }
    Err(violations
        .into_iter()
        .map(|violation| format!("{name}: {violation}"))
        .collect())
}

/// A query text as the type that its schema wants; what does not fit stays text.
fn typed(text: &str, schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("integer") => text
            .parse::<i64>()
            .map_or_else(|_| json!(text), Value::from),
        Some("boolean") => match text {
            "true" | "True" => json!(true),
            "false" | "False" => json!(false),
            _ => json!(text),
        },
        Some("array") => json!([text]),
        _ => json!(text),
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (wanted, given): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    wanted.len() == given.len()
        && wanted.iter().zip(&given).all(|(wanted, given)| {
            wanted == given || (wanted.starts_with('{') && !given.is_empty())
        })
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[test]
fn literal_segments_win_over_varying_ones() {
    let contract = Contract::feishu();
    let operation = |path| contract.operation_of("GET", path);
    assert_eq!(
        operation("/open-apis/im/v1/chats/search"),
        Some("searchChats")
    );
    assert_eq!(operation("/open-apis/im/v1/chats/oc_1"), Some("getChat"));
    assert_eq!(operation("/open-apis/im/v1/chats/"), None);
}

#[test]
fn requests_and_answers_off_the_contract_are_found() {
    let contract = Contract::feishu();
    let create = "createTasklistActivitySubscription";
    let body = json!({"name": "a", "subscribers": [{"id": "oc_1", "type": "chat"}], "include_keys": [100]});
    assert_eq!(contract.check_request(create, &[], Some(&body)), Ok(()));
    let mut event_keys = body.clone();
    event_keys["event_keys"] = json!(["task.created"]);
    assert!(
        contract
            .check_request(create, &[], Some(&event_keys))
            .is_err()
    );
    assert!(contract.check_request(create, &[], None).is_err());
    let limit = |text: &str| vec![("limit".to_owned(), text.to_owned())];
    let list = "listTasklistActivitySubscriptions";
    assert_eq!(contract.check_request(list, &limit("50"), None), Ok(()));
    assert!(contract.check_request(list, &limit("51"), None).is_err());
    assert!(contract.check_request(list, &limit("ten"), None).is_err());

    let path = "/open-apis/task/v2/tasklists/g";
    let answer = |status, body: Value| {
        contract.check_response(
            "GET",
            path,
            status,
            "application/json; charset=utf-8",
            &body.to_string(),
        )
    };
    let tasklist = json!({"guid": "g", "name": "n"});
    assert_eq!(
        answer(
            200,
            json!({"code": 0, "msg": "success", "data": {"tasklist": tasklist}})
        ),
        Ok(())
    );
    assert!(
        answer(
            200,
            json!({"code": 0, "msg": "success", "data": {"tasklist": {}}})
        )
        .is_err()
    );
    assert!(answer(400, json!({"code": 232001, "msg": "of another API"})).is_err());
    assert!(answer(403, json!({"code": 1470404, "msg": "another status"})).is_err());
    assert!(
        contract
            .check_response("GET", path, 502, "text/html", "<html>")
            .is_err()
    );
}
