//! The server of a ledger on PostgreSQL: who connects, with which password, trusting whom.
//!
//! What the address leaves open the environment says, as libpq does: `PGUSER`, `PGPASSWORD`,
//! `PGPASSFILE` and `~/.pgpass`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::args::Global;
use super::error::Failure;
use crate::ledger::postgres::Server;
use crate::model::ledger_url::{LEDGER, PostgresUrl};

type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Everything that connecting needs.
pub(super) fn server(global: &Global, url: &PostgresUrl) -> Result<Server, Failure> {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    complete(&global.dir, url.clone(), &env)
}

fn complete(dir: &Path, mut url: PostgresUrl, env: Env<'_>) -> Result<Server, Failure> {
    // Its password is for this address alone.
    let overriding = env(LEDGER).and_then(|text| PostgresUrl::parse(&text).ok());
    let own = overriding
        .filter(|(other, _)| *other == url)
        .and_then(|(_, password)| password);
    if url.user.is_empty() {
        let user = ["PGUSER", "USER", "LOGNAME", "USERNAME"]
            .into_iter()
            .find_map(env);
        url.user = user.ok_or_else(|| {
            Failure::new(format!("{url} says not who connects"))
                .hint("Write `postgres://USER@…`, or set `PGUSER`.")
        })?;
    }
    if url.database.is_empty() {
        url.database = env("PGDATABASE").unwrap_or_else(|| url.user.clone());
    }
    let authorities = match &url.authorities {
        None => None,
        Some(file) => Some(std::fs::read(dir.join(file)).map_err(|error| {
            Failure::new(format!(
                "the certificate file {} of the ledger cannot be read",
                file.display()
            ))
            .because(error)
            .hint("`sslrootcert` is a PEM file, relative to the project folder.")
        })?),
    };
    Ok(Server {
        password: match own {
            Some(own) => Some(own),
            None => password(dir, &url, env)?,
        },
        authorities,
        url,
    })
}

/// Looked for in `PGPASSWORD` and in password files.
fn password(dir: &Path, url: &PostgresUrl, env: Env<'_>) -> Result<Option<SecretString>, Failure> {
    if let Some(password) = env("PGPASSWORD") {
        return Ok(Some(password.into()));
    }
    let named = match &url.passfile {
        Some(file) => Some(dir.join(file)),
        None => env("PGPASSFILE").map(PathBuf::from),
    };
    let (file, named) = match (named, env("HOME")) {
        (Some(file), _) => (file, true),
        (None, Some(home)) => (Path::new(&home).join(".pgpass"), false),
        (None, None) => return Ok(None),
    };
    let wrong = |why: &str| Failure::new(format!("the password file {} {why}", file.display()));
    let text = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound && !named => return Ok(None),
        Err(error) => return Err(wrong("cannot be read").because(error)),
        Ok(text) => text,
    };
    if is_open_to_others(&file) {
        return Err(wrong("can be read by others").hint(format!(
            "Keep it to yourself: `chmod 600 {}`.",
            file.display()
        )));
    }
    let line = text.lines().find_map(|line| password_in(line, url));
    match line {
        None if named => Err(wrong(&format!("has no line for {url}"))
            .hint("A line is `HOST:PORT:DATABASE:USER:PASSWORD`; `*` stands for any value.")),
        line => Ok(line.map(SecretString::from)),
    }
}

#[cfg(unix)]
fn is_open_to_others(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

/// The password in a line of a password file, if the line is about this server.
fn password_in(line: &str, url: &PostgresUrl) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let last = fields.len() - 1;
        match c {
            '\\' => fields[last].extend(chars.next()),
            // The password is the rest of the line, colons and all.
            ':' if fields.len() < 5 => fields.push(String::new()),
            c => fields[last].push(c),
        }
    }
    let [host, port, database, user, password] = <[String; 5]>::try_from(fields).ok()?;
    let is = |field: &str, value: &str| field == "*" || field == value;
    let same_host = is(&host, &url.host) || (url.is_socket() && host == "localhost");
    let same = same_host
        && is(&port, &url.port.to_string())
        && is(&database, &url.database)
        && is(&user, &url.user);
    same.then_some(password)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn completed(url: &str, set: &[(&str, &str)]) -> Result<Server, String> {
        let dir = tempfile::tempdir().unwrap();
        complete_in(dir.path(), url, set)
    }

    fn complete_in(dir: &Path, url: &str, set: &[(&str, &str)]) -> Result<Server, String> {
        let (url, _) = PostgresUrl::parse(url).unwrap();
        let env = |name: &str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        complete(dir, url, &env).map_err(|failure| failure.to_string())
    }

    fn password_of(server: &Server) -> Option<&str> {
        server.password.as_ref().map(ExposeSecret::expose_secret)
    }

    #[test]
    fn what_the_address_leaves_open_the_environment_says() {
        let server = completed("postgres://h", &[("PGUSER", "li"), ("PGPASSWORD", "s")]).unwrap();
        assert_eq!(
            (server.url.user.as_str(), server.url.database.as_str()),
            ("li", "li")
        );
        assert_eq!(password_of(&server), Some("s"));
        let set = [(LEDGER, "postgres://li:t@h/b"), ("PGPASSWORD", "s")];
        let server = completed("postgres://li@h/b", &set).unwrap();
        assert_eq!(password_of(&server), Some("t"));
        let server = completed("postgres://li@other/b", &set).unwrap();
        assert_eq!(password_of(&server), Some("s"), "not to another server");
        let nobody = completed("postgres://h", &[]).err().unwrap();
        assert_eq!(nobody, "postgres://h/ says not who connects");
    }

    #[cfg(unix)]
    #[test]
    fn a_password_file_is_read_as_libpq_does() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pass");
        let lines =
            "# h:*:*:*:no\nother:*:*:*:no\nh:5432:b:wang:no\nh:*:b:li:a:b\\\\\\:c\n*:*:*:*:any\n";
        std::fs::write(&file, lines).unwrap();
        let mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o644);
        let url = "postgres://li@h/b?passfile=pass";
        let open = complete_in(dir.path(), url, &[]).err().unwrap();
        assert!(open.ends_with("can be read by others"), "{open}");
        mode(0o600);
        let server = complete_in(dir.path(), url, &[]).unwrap();
        assert_eq!(password_of(&server), Some("a:b\\:c"));
        let path = file.to_str().unwrap();
        let server = complete_in(dir.path(), "postgres://zhao@h/b", &[("PGPASSFILE", path)]);
        assert_eq!(password_of(&server.unwrap()), Some("any"));
        std::fs::write(&file, "x:*:*:*:secret\n").unwrap();
        let none = complete_in(dir.path(), url, &[]).err().unwrap();
        assert!(
            none.ends_with("has no line for postgres://li@h/b"),
            "{none}"
        );
        assert!(!none.contains("secret"));
        // Nobody has to have one at home.
        let home = [("HOME", dir.path().to_str().unwrap())];
        let server = complete_in(dir.path(), "postgres://li@h/b", &home).unwrap();
        assert_eq!(password_of(&server), None);
    }
}
