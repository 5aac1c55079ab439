//! What stands between a secret or a stranger's words and the places where they must not come.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::support::project::{Project, RELEASE};

const PROGRESS: &str =
    "  progress: { tasklist: release, subscribers: [release-room], events: [task.added] }\n";

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/tls")
        .join(name);
    std::fs::read(path).unwrap()
}

/// A server with a certificate of an authority that nobody knows, in front of a sandbox. One request a
/// connection. Ends with the test's process.
fn behind_tls(listen: &str, sandbox: String) -> u16 {
    let listener = TcpListener::bind(listen).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(rustls::crypto::ring::default_provider().install_default());
    let chain = vec![CertificateDer::from(fixture("server.der"))];
    let key = PrivateKeyDer::try_from(fixture("server.key.der")).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (config, sandbox) = (Arc::clone(&config), sandbox.clone());
            std::thread::spawn(move || {
                let connection = rustls::ServerConnection::new(config).unwrap();
                let mut tls = rustls::StreamOwned::new(connection, stream.unwrap());
                // A client that does not trust us goes away here.
                let _ = pass_on(&mut tls, &sandbox);
            });
        }
    });
    port
}

fn pass_on(tls: &mut (impl Read + Write), sandbox: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|l| l.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |l| l.trim().parse().unwrap());
            if body.len() >= length {
                break;
            }
        }
        match tls.read(&mut piece)? {
            0 => return Ok(()),
            n => request.extend_from_slice(&piece[..n]),
        }
    }
    let text = String::from_utf8_lossy(&request);
    let text = text.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut plain = TcpStream::connect(sandbox.trim_start_matches("http://"))?;
    plain.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer)?;
    tls.write_all(&answer)?;
    tls.flush()
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_spoken_to() {
    let project = Project::new(PROGRESS);
    let port = behind_tls("127.0.0.1:0", project.base_url());
    let manifest = project.read("beadle.yaml");
    let at = |host: &str| {
        let base = format!("https://{host}:{port}");
        project.write("beadle.yaml", &manifest.replace(&project.base_url(), &base));
    };
    let authority = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/tls/authority.pem"
    );
    let plan = ["plan", "--retry-wait", "1ms"];
    project.clear_calls();
    at("127.0.0.1");
    let stranger = project.beadle(&plan).exits(1);
    let words = stranger.stderr + &stranger.stdout;
    assert!(words.contains("certificate"), "{words}");
    assert_eq!(
        project.calls(),
        Vec::<Value>::new(),
        "not one byte of a request"
    );

    let trusted = [&plan[..], &["--ca-file", authority]].concat();
    let plan = project.beadle(&trusted).exits(0);
    assert!(
        plan.last_line().starts_with("Plan: 1 to create"),
        "{}",
        plan.stdout
    );
    project.clear_calls();

    // The same certificate under an address that it does not name.
    at("127.0.0.2");
    let (_, elsewhere) = (port, behind_tls("127.0.0.2:0", project.base_url()));
    let base = format!("https://127.0.0.2:{elsewhere}");
    project.write("beadle.yaml", &manifest.replace(&project.base_url(), &base));
    project.beadle(&trusted).exits(1);
    assert_eq!(project.calls(), Vec::<Value>::new());
}

#[test]
fn what_beadle_writes_is_for_its_owner_alone() {
    let project = Project::new(PROGRESS);
    let mode = |name: &str| {
        let path = project.path().join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    project.beadle(&["plan", "--out", "saved.plan"]).exits(0);
    assert_eq!(mode("saved.plan"), 0o600);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(mode(".beadle/ledger.db"), 0o600);
    project.beadle(&["plan", "--sandbox"]).exits(0);
    assert_eq!(mode(".beadle/sandbox/world.db"), 0o600);
}

/// The status of a raw request to a sandbox.
fn asked(project: &Project, head: &str) -> String {
    let base = project.base_url();
    let address = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = head.replace("ADDRESS", address);
    let request = format!("{head}connection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default()[9..12].to_owned()
}

#[test]
fn a_web_page_cannot_use_the_sandbox() {
    let project = Project::empty();
    let world = "GET /_sandbox/world HTTP/1.1\r\n";
    let cases = [
        ("host: ADDRESS\r\n", "200"),
        ("host: localhost:8700\r\n", "200"),
        ("host: [::1]:8700\r\n", "200"),
        ("host: rebound.example:8700\r\n", "403"),
        ("host: localhost.rebound.example\r\n", "403"),
        ("host: 127.0.0.1.rebound.example\r\n", "403"),
        ("host: ADDRESS\r\norigin: http://ADDRESS\r\n", "200"),
        ("host: ADDRESS\r\norigin: https://evil.example\r\n", "403"),
        ("host: ADDRESS\r\norigin: null\r\n", "403"),
    ];
    for (headers, status) in cases {
        assert_eq!(
            asked(&project, &format!("{world}{headers}")),
            status,
            "{headers}"
        );
    }
    let form =
        "POST /_sandbox/release HTTP/1.1\r\nhost: ADDRESS\r\norigin: https://evil.example\r\n";
    assert_eq!(asked(&project, form), "403");
    let vendor = "GET /open-apis/task/v2/tasklists HTTP/1.1\r\nhost: rebound.example\r\n";
    assert_eq!(asked(&project, vendor), "403");
    assert_eq!(project.calls(), Vec::<Value>::new());
}

#[test]
fn a_sandbox_for_others_warns() {
    let project = Project::empty();
    // An address that is not ours: it warns, and then cannot listen.
    let ran = project
        .beadle(&["sandbox", "--listen", "192.0.2.1:0"])
        .exits(1);
    assert!(
        ran.stderr.contains("is not loopback: whoever reaches it"),
        "{}",
        ran.stderr
    );
}

/// What a stranger at the vendor writes is shown, and never obeyed.
#[test]
fn what_a_vendor_says_is_no_command_for_a_terminal() {
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}txt.\u{2066}";
    let project = Project::new(PROGRESS);
    let body = json!({"name": hostile, "subscribers": [], "include_keys": [100]});
    project.control("POST", &format!("tasklists/{RELEASE}/subscriptions"), &body);
    let name = json!({"name": hostile});
    project.control(
        "POST",
        &format!("chats/{}", crate::support::project::ROOM),
        &name,
    );
    let commands: [&[&str]; 8] = [
        &["plan"],
        &["plan", "--format", "markdown"],
        &["validate", "--online"],
        &["validate", "--online", "--format", "github"],
        &["export", RELEASE],
        &["apply", "--auto-approve"],
        &["history"],
        &["plan", "-vvv", "--log-format", "json"],
    ];
    for command in commands {
        let ran = project.beadle(command);
        let text = ran.stdout + &ran.stderr;
        for c in ['\u{1b}', '\u{7}', '\u{202e}', '\u{2066}'] {
            assert!(!text.contains(c), "{command:?}: {c:?} in {text:?}");
        }
    }
}

/// A vendor that quotes what it was given: the secret, the token, in headers and bodies, at every level of
/// talk.
#[test]
fn a_secret_is_in_no_log_and_no_error() {
    let project = Project::new(PROGRESS);
    let secret = "walled-garden-secret";
    let app = json!({"app_id": "cli_sandbox", "app_secret": secret});
    project.control("POST", "apps", &app);
    let faults = [
        "html@*,status=200",
        "5xx@*",
        "truncated@*",
        "cut-off@*",
        "token-expiry@*:1-",
        "code@*,code=99991663",
        "code@getTenantAccessTokenInternal,code=10015,status=200",
        "empty@*",
    ];
    for fault in faults {
        project.no_faults();
        project.fault(fault);
        for command in [
            &["plan", "-vvv", "--log-format", "json"][..],
            &["apply", "--auto-approve", "-vvv"],
            &["validate", "--online", "-vvv", "--format", "json"],
        ] {
            let mut run = project.command(&[command, &["--retry-wait", "1ms"]].concat());
            run.env("FEISHU_APP_SECRET", secret);
            let ran = run.output().unwrap();
            let text = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
            assert!(!text.contains(secret), "{fault} {command:?}: {text}");
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let token = words
                .filter(|w| w.len() == 34 && w.starts_with("t-"))
                .count();
            assert_eq!(token, 0, "{fault} {command:?}: {text}");
        }
    }
    project.no_faults();
}

#[test]
fn a_template_reaches_nothing_outside() {
    let project = Project::empty();
    let templates = [
        "{% include '/etc/passwd' %}",
        "{% import '/etc/passwd' as x %}{{ x }}",
        "{% extends 'beadle.yaml' %}",
        "{{ env('FEISHU_APP_SECRET') }}",
        "{{ environ.FEISHU_APP_SECRET }}",
        "{{ open('/etc/passwd') }}",
        "{{ now() }}",
        "{{ debug() }}",
        "{{ ''.__class__.__mro__ }}",
    ];
    for template in templates {
        let quoted = Value::from(template).to_string();
        let text = format!(
            "{}recurring_notices:\n  n:\n    to: [release-room]\n    schedule: {{ start: 2030-01-01, cron: \"0 10 * * *\", timezone: UTC }}\n    message: {{ text: {quoted} }}\n",
            project.manifest("")
        );
        project.write("beadle.yaml", &text);
        let ran = project.beadle(&["validate"]);
        let words = ran.stdout + &ran.stderr;
        assert_eq!(ran.status, Some(1), "{template}: {words}");
        for leak in ["root:", "sandbox-secret"] {
            assert!(!words.contains(leak), "{template}: {words}");
        }
    }
}
