//! The address of a ledger on PostgreSQL, as libpq writes it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// The environment variable with another ledger than the manifest's.
pub const LEDGER: &str = "BEADLE_LEDGER";

/// Where a ledger on PostgreSQL is, without the password: that is never part of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresUrl {
    /// Who connects; empty where the environment is to say.
    pub user: String,
    /// A name, an address, or the folder of a socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database; that of the user's name where it is empty.
    pub database: String,
    /// The schema that the tables stand in.
    pub schema: String,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// The certificate authorities, in a PEM file; the public ones without it.
    pub authorities: Option<PathBuf>,
    /// A file with passwords, as libpq's `.pgpass`.
    pub passfile: Option<PathBuf>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// What the server calls us.
    pub application_name: String,
}

/// How a connection is protected; libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Not at all.
    Disable,
    /// With TLS, if the server has it; unchecked.
    Prefer,
    /// With TLS; the server's certificate is checked where authorities are given.
    Require,
    /// With TLS, and the certificate comes from an authority.
    VerifyCa,
    /// With TLS, and the certificate comes from an authority and is of this host.
    VerifyFull,
}

const MODES: [(&str, TlsMode); 5] = [
    ("disable", TlsMode::Disable),
    ("prefer", TlsMode::Prefer),
    ("require", TlsMode::Require),
    ("verify-ca", TlsMode::VerifyCa),
    ("verify-full", TlsMode::VerifyFull),
];

/// What is wrong with an address, and what to do; neither has any of its text but known words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// A lowercase fragment.
    pub summary: String,
    /// A sentence.
    pub help: String,
}

impl Mistake {
    fn new(summary: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            help: help.into(),
        }
    }
}

const SHAPE: &str =
    "Write `postgres://USER@HOST:PORT/DATABASE`, as in `postgres://beadle@db.example.com/beadle`.";

impl PostgresUrl {
    /// Whether a text says that it is one.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        let scheme = text.split(':').next().unwrap_or_default();
        ["postgres", "postgresql"].contains(&scheme)
    }

    /// Whether a text may have a password in it, right or wrong as it is otherwise.
    #[must_use]
    pub fn may_hold_secret(text: &str) -> bool {
        let user = text.rsplit_once('@').map(|(user, _)| user);
        let user = user.map(|user| user.split_once("://").map_or(user, |(_, user)| user));
        user.is_some_and(|user| user.contains(':')) || text.contains("password=")
    }

    /// Reads one, and the password that stands in it.
    ///
    /// # Errors
    ///
    /// When it is not one that beadle can honour to the letter.
    pub fn parse(text: &str) -> Result<(Self, Option<SecretString>), Mistake> {
        let shape = |summary: &str| Mistake::new(summary, SHAPE);
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or_else(|| shape("the ledger on PostgreSQL has no address"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (who, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match who.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (who, None),
        };
        let decoded = |text: &str| {
            decode(text).ok_or_else(|| shape("a `%` in the ledger's address is followed by no two hexadecimal digits, or they are no UTF-8"))
        };
        let (host, port) = host_and_port(place)?;
        let mut url = Self {
            user: decoded(user)?,
            host: decoded(host)?,
            port,
            database: decoded(database)?,
            schema: "beadle".to_owned(),
            tls: TlsMode::VerifyFull,
            authorities: None,
            passfile: None,
            connect_timeout: Duration::from_secs(10),
            application_name: "beadle".to_owned(),
        };
        let mut tls = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            url.set(key, value, &mut tls)?;
        }
        if url.host.is_empty() {
            return Err(shape("the ledger's address names no host"));
        }
        url.tls = tls.unwrap_or(match (url.is_socket(), url.is_here()) {
            (true, _) => TlsMode::Disable,
            (false, true) => TlsMode::Prefer,
            (false, false) => TlsMode::VerifyFull,
        });
        let password = password.map(decoded).transpose()?;
        Ok((url, password.map(SecretString::from)))
    }

    fn set(&mut self, key: &str, value: String, tls: &mut Option<TlsMode>) -> Result<(), Mistake> {
        match key {
            "sslmode" => {
                let mode = MODES.iter().find(|(word, _)| *word == value);
                let (_, mode) = mode.ok_or_else(|| {
                    Mistake::new(
                        "the ledger's `sslmode` is none that beadle honours",
                        "Use `verify-full`, `verify-ca`, `require`, `prefer` or `disable`.",
                    )
                })?;
                *tls = Some(*mode);
            }
            "sslrootcert" if value == "system" => self.authorities = None,
            "sslrootcert" => self.authorities = Some(PathBuf::from(value)),
            "passfile" => self.passfile = Some(PathBuf::from(value)),
            "host" => self.host = value,
            "user" => self.user = value,
            "dbname" => self.database = value,
            "port" => self.port = port(&value)?,
            "application_name" => self.application_name = value,
            "connect_timeout" => {
                let seconds = value.parse().ok().filter(|n| (1..=600).contains(n));
                let seconds = seconds.ok_or_else(|| {
                    Mistake::new(
                        "the ledger's `connect_timeout` is no number of seconds from 1 to 600",
                        "Write for instance `connect_timeout=10`.",
                    )
                })?;
                self.connect_timeout = Duration::from_secs(seconds);
            }
            "schema" if is_plain(&value) => self.schema = value,
            "schema" => {
                return Err(Mistake::new(
                    "the ledger's `schema` is no plain name",
                    "Use lower-case letters, digits and `_`, at most 63, beginning with a letter; not `pg_…`.",
                ));
            }
            "password" => {
                return Err(Mistake::new(
                    "the ledger's address has a password among its parameters",
                    "Put it into `PGPASSWORD` or a password file, and rotate it: it was written down.",
                ));
            }
            _ => {
                return Err(Mistake::new(
                    format!(
                        "the ledger's address has a parameter that beadle does not honour{}",
                        named(key)
                    ),
                    "Known are `sslmode`, `sslrootcert`, `passfile`, `connect_timeout`, `application_name`, `schema`, `host`, `port`, `user` and `dbname`.",
                ));
            }
        }
        Ok(())
    }

    /// Whether the host is the folder of a socket.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Whether the host is this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        let address: Option<std::net::IpAddr> = self.host.parse().ok();
        self.is_socket()
            || self.host == "localhost"
            || address.is_some_and(|address| address.is_loopback())
    }
}

/// As messages name it.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if !self.user.is_empty() {
            write!(f, "{}@", self.user)?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => write!(f, "{}", self.host)?,
        }
        if self.port != PORT {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "/{}", self.database)?;
        if self.schema != "beadle" {
            write!(f, "?schema={}", self.schema)?;
        }
        Ok(())
    }
}

const PORT: u16 = 5432;

fn host_and_port(place: &str) -> Result<(&str, u16), Mistake> {
    if place.contains(',') {
        return Err(Mistake::new(
            "the ledger's address names several hosts",
            "Name the one that can be written, or a name that always leads to it.",
        ));
    }
    let bracketed = place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'));
    let (host, rest) = match bracketed {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match place.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    Ok((host, rest.filter(|p| !p.is_empty()).map_or(Ok(PORT), port)?))
}

fn port(text: &str) -> Result<u16, Mistake> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| Mistake::new("the ledger's port is no number from 1 to 65535", SHAPE))
}

/// Names a parameter where its name cannot be a secret in the wrong place.
fn named(key: &str) -> String {
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
    match !key.is_empty() && key.len() <= 30 && key.chars().all(is_word) {
        true => format!(": `{key}`"),
        false => String::new(),
    }
}

fn is_plain(schema: &str) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    schema.len() <= 63
        && schema.starts_with(|c: char| c.is_ascii_lowercase())
        && schema.chars().all(rest)
        && !schema.starts_with("pg_")
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, more) = more.split_at_checked(2)?;
        rest = more;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let value = digit(digits[0])? * 16 + digit(digits[1])?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn parse(text: &str) -> PostgresUrl {
        PostgresUrl::parse(text).unwrap().0
    }

    #[test]
    fn an_address_is_read_as_libpq_does() {
        let url = parse(
            "postgresql://li%40a@[2001:db8::1]:5433/lög%2Fs?connect_timeout=3&sslmode=require",
        );
        assert_eq!(
            (url.user.as_str(), url.host.as_str()),
            ("li@a", "2001:db8::1")
        );
        assert_eq!((url.port, url.database.as_str()), (5433, "lög/s"));
        assert_eq!(url.connect_timeout, Duration::from_secs(3));
        assert_eq!(url.to_string(), "postgres://li@a@[2001:db8::1]:5433/lög/s");
        let socket = parse("postgres://beadle@%2Frun%2Fpostgresql/ledger");
        assert!(socket.is_socket());
        let socket = parse("postgres:///ledger?host=/run/postgresql&user=beadle");
        assert_eq!(
            (socket.host.as_str(), socket.user.as_str()),
            ("/run/postgresql", "beadle")
        );
    }

    #[test]
    fn unless_it_says_otherwise_only_this_machine_is_spoken_to_unverified() {
        for (host, mode) in [
            ("db.example.com", TlsMode::VerifyFull),
            ("10.0.0.1", TlsMode::VerifyFull),
            ("localhost", TlsMode::Prefer),
            ("127.0.0.1", TlsMode::Prefer),
            ("[::1]", TlsMode::Prefer),
            ("%2Frun", TlsMode::Disable),
        ] {
            assert_eq!(parse(&format!("postgres://a@{host}/b")).tls, mode, "{host}");
        }
        for (word, mode) in MODES {
            let url = parse(&format!("postgres://a@h/b?sslmode={word}"));
            assert_eq!(url.tls, mode);
        }
    }

    #[test]
    fn a_password_comes_out_by_itself_and_shows_nowhere() {
        let (url, password) = PostgresUrl::parse("postgres://a:s%3Acr%40t@h/b").unwrap();
        let password = password.unwrap();
        assert_eq!(password.expose_secret(), "s:cr@t");
        let shown = format!("{url} {url:?} {password:?}");
        assert!(
            !shown.contains("cr@t") && !shown.contains("s%3A"),
            "{shown}"
        );
    }

    #[test]
    fn mistakes_say_what_is_wrong_and_repeat_no_secret() {
        for (text, words) in [
            ("postgres:h", "has no address"),
            ("postgres://a@/b", "names no host"),
            ("postgres://a:hunter2@h:x/b", "port is no number"),
            ("postgres://a:hunter2@h:0/b", "port is no number"),
            ("postgres://a:hunter2@h,i/b", "names several hosts"),
            ("postgres://a:hunter2%@h/b", "hexadecimal"),
            (
                "postgres://a@h/b?password=hunter2",
                "password among its parameters",
            ),
            ("postgres://a@h/b?sslmode=allow", "none that beadle honours"),
            ("postgres://a@h/b?sslcert=x", "does not honour: `sslcert`"),
            ("postgres://a@h/b?Hunter2=x", "does not honour"),
            ("postgres://a@h/b?schema=pg_x", "no plain name"),
            ("postgres://a@h/b?schema=a\"b", "no plain name"),
            ("postgres://a@h/b?connect_timeout=0", "no number of seconds"),
        ] {
            let mistake = PostgresUrl::parse(text).unwrap_err();
            assert!(mistake.summary.contains(words), "{text}: {mistake:?}");
            let all = format!("{mistake:?}").to_lowercase();
            assert!(!all.contains("hunter2"), "{all}");
            let secret = text.contains("hunter2");
            assert_eq!(PostgresUrl::may_hold_secret(text), secret, "{text}");
        }
    }
}
