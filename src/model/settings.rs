//! What the settings of `beadle.yaml` mean: project, ledger, guards, providers.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, FileId, Span};
use super::ledger_url::{LEDGER, Mistake, PostgresUrl};
use super::manifest::{Edition, Guards, LedgerUrl, Provider, Vendor};
use super::parse::{Inputs, World};
use super::shape::{Given, Spanned, Text, shorten};
use super::{AppId, Name, written};

/// The settings of a project.
pub(crate) struct Settings {
    pub(crate) project: Name,
    pub(crate) ledger: LedgerUrl,
    pub(crate) guards: Guards,
    /// Absent where a mistake in the block was reported.
    pub(crate) providers: BTreeMap<Name, Option<Provider>>,
    /// Whether every provider that was written is among them.
    pub(crate) all_providers: bool,
    /// The variables of the project.
    pub(crate) vars: BTreeMap<String, String>,
    /// Where the sandbox's providers would stand; it plays every vendor that a manifest names.
    pub(crate) sandbox: Option<Span>,
}

/// Takes the settings out of the root file.
pub(crate) fn settings(
    file: FileId,
    written: &mut written::File,
    inputs: &Inputs<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Settings {
    let ledger_span = written.ledger.get().map(|text| text.span);
    let overriding = (inputs.env)(LEDGER).filter(|url| !url.is_empty());
    let (ledger, ledger_is_bad) = match (overriding, written.ledger.get()) {
        _ if inputs.world == World::Sandbox => (Some(LedgerUrl::default()), false),
        (Some(url), _) => (ledger(&url, Told::ByEnvironment, diagnostics), false),
        (None, Some(text)) => {
            let told = Told::At(text.span);
            (ledger(text.value.0.as_str(), told, diagnostics), false)
        }
        (None, None) => (Some(LedgerUrl::default()), written.ledger.is_bad()),
    };
    let ledger_is_bad = ledger_is_bad || ledger.is_none();
    let ledger = ledger.unwrap_or_default();
    let default_ledger = ledger == LedgerUrl::default();
    let project = match &written.project {
        Given::Is(text) => project(text, diagnostics),
        Given::Absent if !default_ledger && !ledger_is_bad => {
            diagnostics.push(
                Diagnostic::error("missing-key", ledger_span, "the key `project` is missing in the file")
                    .help("Only a project with the default ledger file needs no name; add `project: NAME`."),
            );
            None
        }
        Given::Absent | Given::Bad => None,
    };
    let mut guards = Guards::default();
    if let Some(asked) = written.guards.get() {
        let written::Guards {
            deletes,
            member_changes,
            recipients,
        } = asked;
        guards.deletes = deletes.get().map_or(guards.deletes, |share| share.0);
        guards.member_changes = member_changes
            .get()
            .map_or(guards.member_changes, |share| share.0);
        guards.recipients = recipients.get().map_or(guards.recipients, |count| count.0);
    }
    let all_providers = !written.providers.is_bad();
    let mut providers = BTreeMap::new();
    let mut places: BTreeMap<Name, Span> = BTreeMap::new();
    let blocks = std::mem::take(&mut written.providers).into_option();
    for (name, span, block) in blocks.map_or(Vec::new(), |blocks| blocks.0) {
        if let Some(first) = places.get(&name) {
            diagnostics.push(
                Diagnostic::error(
                    "duplicate-name",
                    span,
                    format!("the provider `{name}` is declared twice"),
                )
                .help("Keep one of the two.")
                .related(*first, "first declared here"),
            );
            continue;
        }
        places.insert(name.clone(), span);
        let provider = block.and_then(|block| provider(block, span, inputs, diagnostics));
        providers.insert(name, provider);
    }
    let start = Span {
        file,
        start: 0,
        end: 0,
    };
    if inputs.world == World::Sandbox {
        imply_feishu(start, &mut providers);
    }
    Settings {
        vars: BTreeMap::new(),
        project: project.unwrap_or_else(|| Name::new("default").expect("a name")),
        ledger,
        guards,
        providers,
        all_providers,
        sandbox: (inputs.world == World::Sandbox).then_some(start),
    }
}

/// The sandbox plays Feishu whether or not a manifest says how to reach it.
fn imply_feishu(span: Span, providers: &mut BTreeMap<Name, Option<Provider>>) {
    let is_feishu = |p: &Option<Provider>| p.as_ref().is_none_or(|p| p.vendor == Vendor::Feishu);
    if providers.values().any(is_feishu) {
        return;
    }
    let feishu = Name::new("feishu").expect("a name");
    providers.insert(feishu, Some(implied(Vendor::Feishu, span)));
}

/// A provider that only the sandbox can stand in for.
pub(crate) fn implied(vendor: Vendor, span: Span) -> Provider {
    let hosts = match vendor {
        Vendor::Feishu => &FEISHU,
        Vendor::DingTalk => &DINGTALK,
        Vendor::Enos => &ENOS,
    };
    Provider {
        vendor,
        base_url: hosts.default.to_owned(),
        app: AppId::new("cli_sandbox"),
        secret: None,
        agent_id: None,
        robot_code: None,
        edition: Edition::default(),
        org_id: None,
        span,
    }
}

fn project(text: &Spanned<Text>, diagnostics: &mut Vec<Diagnostic>) -> Option<Name> {
    match Name::new(&text.value.0) {
        Ok(name) => Some(name),
        Err(why) => {
            diagnostics.push(
                Diagnostic::error("bad-name", text.span, why.to_string())
                    .help("The project's name has letters, digits, `-` and `_`, at most 64."),
            );
            None
        }
    }
}

/// Who said which ledger.
#[derive(Clone, Copy)]
enum Told {
    At(Span),
    ByEnvironment,
}

/// Reads which ledger; none when it is a mistake. The text may hold a password, so it is not repeated.
fn ledger(url: &str, told: Told, diagnostics: &mut Vec<Diagnostic>) -> Option<LedgerUrl> {
    let mut wrong = |code, summary: String, help: String| {
        let (span, summary) = match told {
            Told::At(span) => (Some(span), summary),
            Told::ByEnvironment => (None, format!("{LEDGER}: {summary}")),
        };
        diagnostics.push(Diagnostic::error(code, span, summary).help(help));
        None
    };
    // The line of a `written-secret` is never shown.
    let code = match PostgresUrl::may_hold_secret(url) {
        true => "written-secret",
        false => "bad-ledger",
    };
    if PostgresUrl::is_meant(url) {
        return match (PostgresUrl::parse(url), told) {
            (Err(Mistake { summary, help }), _) => wrong(code, summary, help),
            (Ok((_, Some(_))), Told::At(_)) => wrong(
                code,
                "the ledger's address has a password in it".to_owned(),
                "Put it into `PGPASSWORD` or a password file (`passfile=PATH`), and rotate it: it was written down.".to_owned(),
            ),
            (Ok((url, _)), _) => Some(LedgerUrl::Postgres(Box::new(url))),
        };
    }
    match url.split_once(':') {
        None if url == "none" => Some(LedgerUrl::None),
        Some(("sqlite", path)) if !path.is_empty() && !path.starts_with("//") => {
            Some(LedgerUrl::Sqlite(PathBuf::from(path)))
        }
        Some(("sqlite", _)) => wrong(
            "bad-ledger",
            "the ledger names no file".to_owned(),
            "Write `sqlite:PATH`, as in `sqlite:.beadle/ledger.db`.".to_owned(),
        ),
        _ => wrong(
            code,
            format!(
                "there is no ledger `{}`",
                shorten(url.split('@').next_back().unwrap_or(url))
            ),
            "Write `sqlite:PATH`, `postgres://USER@HOST/DATABASE`, or `none`.".to_owned(),
        ),
    }
}

/// Where a vendor is, when a provider does not say.
struct Hosts {
    default: &'static str,
    own: &'static [&'static str],
}

const FEISHU: Hosts = Hosts {
    default: "https://open.feishu.cn",
    own: &["open.feishu.cn", "open.larksuite.com"],
};

const DINGTALK: Hosts = Hosts {
    default: "https://api.dingtalk.com",
    own: &["api.dingtalk.com", "oapi.dingtalk.com"],
};

/// Every deployment of EnOS has a gateway of its own, so all of them need to be allowed by name.
const ENOS: Hosts = Hosts {
    default: "",
    own: &[],
};

fn provider(
    block: written::Provider,
    span: Span,
    inputs: &Inputs<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Provider> {
    let (mut agent_id, mut edition, mut org_id) = (None, Edition::default(), None);
    let mut robot_code = None;
    let (vendor, hosts, url, app, secret) = match block {
        written::Provider::Feishu(p) => {
            (Vendor::Feishu, &FEISHU, p.base_url, p.app_id, p.app_secret)
        }
        written::Provider::DingTalk(p) => {
            agent_id = number(p.agent_id, inputs, diagnostics);
            robot_code = p.robot_code.into_option().filter(|code| {
                let what = "the code of a robot is one word";
                one_word(code, what, inputs, diagnostics)
            });
            edition = read_edition(&p.edition, diagnostics);
            (
                Vendor::DingTalk,
                &DINGTALK,
                p.base_url,
                p.app_key,
                p.app_secret,
            )
        }
        written::Provider::Enos(p) => {
            org_id = p.org_id.into_option().filter(|id| {
                let what = "the id of an OU is one word";
                one_word(id, what, inputs, diagnostics)
            });
            (Vendor::Enos, &ENOS, p.base_url, p.app_key, p.app_secret)
        }
    };
    let base_url = match url {
        Given::Absent => Some(hosts.default.to_owned()),
        Given::Bad => None,
        Given::Is(text) if inputs.world == World::Sandbox => Some(text.value.0),
        Given::Is(text) => match base_url(&text.value.0, hosts.own, inputs.allow_hosts) {
            Ok(url) => Some(url),
            Err(why) => {
                let (summary, help) = why.words(&text.value.0, vendor, hosts.own);
                diagnostics.push(Diagnostic::error(why.code(), text.span, summary).help(help));
                None
            }
        },
    };
    let app = app.into_option().filter(|id| {
        let what = "the id of an app is one word";
        one_word(id, what, inputs, diagnostics)
    });
    let secret = secret.into_option();
    Some(Provider {
        vendor,
        base_url: base_url?,
        app: AppId::new(&app?.value.0),
        secret: secret?.0,
        agent_id,
        robot_code: robot_code.map(|code| code.value.0.into()),
        edition,
        org_id: org_id.map(|id| id.value.0.into()),
        span,
    })
}

/// Whether an id can be sent. In the sandbox anything can: it knows who is meant.
fn one_word(
    id: &Spanned<Text>,
    what: &str,
    inputs: &Inputs<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    let gap = |c: char| c.is_whitespace() || c.is_control();
    let good = !id.value.0.is_empty() && !id.value.0.contains(gap);
    if !good && inputs.world == World::Real {
        diagnostics.push(
            Diagnostic::error("bad-id", id.span, what)
                .help("Copy it from the vendor's developer console."),
        );
    }
    good || inputs.world == World::Sandbox
}

fn number(
    text: Given<Spanned<Text>>,
    inputs: &Inputs<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<u64> {
    let text = text.into_option()?;
    let digits = text.value.0.bytes().all(|b| b.is_ascii_digit());
    // At most what the vendor keeps in 64 bits with a sign.
    let number = text.value.0.parse::<i64>().ok().filter(|_| digits);
    if number.is_none() && inputs.world == World::Real {
        let what = "the agent id of an app is a number";
        diagnostics.push(
            Diagnostic::error("bad-id", text.span, what)
                .help("Copy it from the vendor's developer console."),
        );
    }
    number.and_then(|number| number.try_into().ok())
}

fn read_edition(text: &Given<Spanned<Text>>, diagnostics: &mut Vec<Diagnostic>) -> Edition {
    let Given::Is(text) = text else {
        return Edition::default();
    };
    let known = Edition::ALL
        .into_iter()
        .find(|edition| edition.as_str() == text.value.0);
    if known.is_none() {
        diagnostics.push(
            Diagnostic::error(
                "unknown-edition",
                text.span,
                format!("there is no edition `{}`", shorten(&text.value.0)),
            )
            .help("The editions are `standard`, `professional` and `dedicated`."),
        );
    }
    known.unwrap_or_default()
}

#[derive(Debug, PartialEq, Eq)]
enum BadUrl {
    Form(&'static str),
    Plain,
    Foreign(String),
}

impl BadUrl {
    fn code(&self) -> &'static str {
        match self {
            BadUrl::Form(_) => "bad-url",
            BadUrl::Plain => "plain-http",
            BadUrl::Foreign(_) => "foreign-host",
        }
    }

    fn words(&self, url: &str, vendor: Vendor, own: &[&str]) -> (String, String) {
        match self {
            BadUrl::Form(why) => (
                // What stands before an `@` may be a password.
                format!("`base_url` {why}"),
                "Write a scheme and a host only, as in `https://open.feishu.cn`.".to_owned(),
            ),
            BadUrl::Plain => (
                format!("`{}` would send credentials in the clear", shorten(url)),
                "Use https; plain http is for this machine only.".to_owned(),
            ),
            BadUrl::Foreign(host) => {
                let own: Vec<String> = own.iter().map(|host| format!("https://{host}")).collect();
                let own = if own.is_empty() {
                    String::new()
                } else {
                    format!("Use {}. ", own.join(" or "))
                };
                (
                    format!(
                        "credentials are not sent to `{}`, which is no host of {}",
                        shorten(host),
                        vendor.as_str()
                    ),
                    format!(
                        "{own}If it is yours, set BEADLE_ALLOW_HOSTS={host} in the environment."
                    ),
                )
            }
        }
    }
}

/// Scheme and host in one spelling, when credentials may be sent there.
fn base_url(url: &str, own: &[&str], allowed: &[String]) -> Result<String, BadUrl> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(BadUrl::Form("does not begin with `https://`"));
    };
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "https" && scheme != "http" {
        return Err(BadUrl::Form("does not begin with `https://`"));
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('@') {
        return Err(BadUrl::Form("has a user in it"));
    }
    if rest.contains('?') {
        return Err(BadUrl::Form("has a query"));
    }
    if rest.contains('#') {
        return Err(BadUrl::Form("has a fragment"));
    }
    if rest.contains('/') {
        return Err(BadUrl::Form("has a path"));
    }
    let authority = rest.to_ascii_lowercase();
    let (host, port) = match authority.rfind(':') {
        // The colons of an IPv6 address stand inside brackets.
        Some(at) if !authority[at..].contains(']') => {
            (&authority[..at], Some(&authority[at + 1..]))
        }
        _ => (&*authority, None),
    };
    if let Some(port) = port
        && (!port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err())
    {
        return Err(BadUrl::Form("has a port that is no port"));
    }
    let v6 = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let v6 = v6.map(|h| h.parse::<Ipv6Addr>());
    let named = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if matches!(v6, Some(Err(_))) || (v6.is_none() && (host.is_empty() || !host.chars().all(named)))
    {
        return Err(BadUrl::Form("has no host that can be read"));
    }
    let loopback = host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || matches!(v6, Some(Ok(ip)) if ip.is_loopback());
    let allowed = allowed.iter().any(|a| {
        let a = a.trim().to_ascii_lowercase();
        !a.is_empty() && (a == host || a == authority)
    });
    if !loopback && !allowed && !own.contains(&host) {
        return Err(BadUrl::Foreign(host.to_owned()));
    }
    if scheme == "http" && !loopback {
        return Err(BadUrl::Plain);
    }
    Ok(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_to_known_hosts_only() {
        let allowed = [
            "gw.example.com".to_owned(),
            "other.example.com:8443".to_owned(),
        ];
        for (url, want) in [
            ("https://open.feishu.cn", Ok("https://open.feishu.cn")),
            (
                "HTTPS://Open.Larksuite.Com/",
                Ok("https://open.larksuite.com"),
            ),
            ("http://127.0.0.1:8700", Ok("http://127.0.0.1:8700")),
            ("http://[::1]:80", Ok("http://[::1]:80")),
            ("http://localhost:1", Ok("http://localhost:1")),
            (
                "https://gw.example.com:444",
                Ok("https://gw.example.com:444"),
            ),
            (
                "https://other.example.com:8443",
                Ok("https://other.example.com:8443"),
            ),
            ("https://other.example.com", Err("foreign-host")),
            ("http://open.feishu.cn", Err("plain-http")),
            ("http://gw.example.com", Err("plain-http")),
            ("https://open.feishu.cn.evil.com", Err("foreign-host")),
            ("https://open.feishu.cn@evil.com", Err("bad-url")),
            ("https://evil.com/open.feishu.cn", Err("bad-url")),
            ("https://evil.com\\open.feishu.cn", Err("bad-url")),
            ("https://open.feishu.cn?x=1", Err("bad-url")),
            ("https://open.feishu.cn#x", Err("bad-url")),
            ("https://open.feishu.cn:x", Err("bad-url")),
            ("https://127.1", Err("foreign-host")),
            ("https://open.feishu.cn.", Err("foreign-host")),
            ("https://ｏpen.feishu.cn", Err("bad-url")),
            ("https://", Err("bad-url")),
            ("https://[::1", Err("bad-url")),
            ("ftp://open.feishu.cn", Err("bad-url")),
            ("open.feishu.cn", Err("bad-url")),
        ] {
            let got = base_url(url, FEISHU.own, &allowed);
            let got = got.as_deref().map_err(BadUrl::code);
            assert_eq!(got, want, "{url}");
        }
    }
}
