//! What the ledger tells: whether it can be used, who is at work, and what waits for somebody.

use std::path::Path;
use std::sync::Arc;

use super::here::Project;
use crate::cli::args::Global;
use crate::cli::checkup::Checkup;
use crate::cli::clock;
use crate::cli::session::{ledger_file, open_ledger};
use crate::cli::text::count;
use crate::engine::ledger::LedgerError;
use crate::engine::outbox::{Books, Outcome};
use crate::ledger::Access;
use crate::ledger::postgres::{Standing, standing};
use crate::model::Kind;
use crate::model::manifest::LedgerUrl;
use crate::model::notice::Registered;

/// Less free space than this may not hold what one apply writes down.
const LITTLE: u64 = 64 * 1024 * 1024;

/// How many of the latest occurrences are looked through.
const LATEST: usize = 1000;

/// Looks at the ledger; what it was opened as, where it could be.
pub(super) async fn check(
    global: &Global,
    project: Option<&Project>,
    checkup: &mut Checkup,
) -> Option<Arc<dyn Books>> {
    let nothing = |checkup: &mut Checkup, names: &[&str], why: &str| {
        for name in names {
            checkup.unchecked(name, None, why);
        }
    };
    const WITHIN: [&str; 4] = ["lease", "unsettled", "notices", "held"];
    let Some(project) = project else {
        nothing(checkup, &["ledger"], "no manifest says where it is");
        nothing(checkup, &WITHIN, "no manifest says where the ledger is");
        return None;
    };
    if let Some(path) = ledger_file(global, &project.manifest) {
        writable(&path, checkup);
    }
    let (books, keeps) = match open_ledger(global, &project.manifest, Access::Read).await {
        Ok(opened) => opened,
        Err(failure) => {
            let help = failure
                .hint_text()
                .unwrap_or("Mend it, or restore a backup.")
                .to_owned();
            checkup.failed("ledger", None, failure.to_string(), help);
            nothing(checkup, &WITHIN, "the ledger cannot be read");
            return None;
        }
    };
    if !keeps {
        checkup.ok("ledger", None, "`ledger: none` keeps nothing");
        nothing(checkup, &WITHIN, "`ledger: none` keeps nothing");
        return None;
    }
    server(global, project, checkup).await;
    let name = &project.manifest.project;
    let remembered = async {
        let bound = books.bindings().await?.len();
        Ok::<_, LedgerError>((bound, books.is_new().await?))
    };
    match remembered.await {
        Ok((_, true)) => checkup.ok(
            "ledger",
            None,
            format!("readable; nothing was applied yet as project {name}"),
        ),
        Ok((bound, false)) => {
            let bound = count(bound, "binding");
            checkup.ok(
                "ledger",
                None,
                format!("readable; project {name} has {bound}"),
            );
        }
        Err(error) => {
            let failure = crate::cli::Failure::from(error);
            let help = failure.hint_text().unwrap_or_default().to_owned();
            checkup.failed("ledger", None, failure.to_string(), help);
            nothing(checkup, &WITHIN, "the ledger cannot be read");
            return None;
        }
    }
    for (name, found) in [
        ("lease", lease(books.as_ref(), checkup).await),
        ("unsettled", unsettled(books.as_ref(), checkup).await),
        ("notices", notices(books.as_ref(), checkup).await),
        ("held", held(books.as_ref(), checkup).await),
    ] {
        if let Err(error) = found {
            checkup.unchecked(name, None, error.to_string());
        }
    }
    Some(books)
}

/// What the server of a shared ledger says of itself, and of the rights there.
async fn server(global: &Global, project: &Project, checkup: &mut Checkup) {
    let LedgerUrl::Postgres(url) = &project.manifest.ledger else {
        return;
    };
    if global.sandbox {
        return;
    }
    let asked = async {
        let server = crate::cli::server::server(global, url)?;
        Ok::<_, crate::cli::Failure>(standing(&server).await?)
    };
    match asked.await {
        Ok(found) => tell(&found, checkup),
        Err(failure) => checkup.unchecked("ledger server", None, failure.to_string()),
    }
}

fn tell(found: &Standing, checkup: &mut Checkup) {
    let Standing {
        version,
        user,
        schema,
        is_standby,
        used,
        most,
        bytes,
        tables,
        lacking,
        may_make,
    } = found;
    let subject = None;
    let summary = format!("PostgreSQL {version}; {used} of {most} connections in use");
    if *is_standby {
        checkup.failed(
            "ledger server",
            subject,
            format!("{summary}; it is a standby, which takes no writes"),
            "Name the primary under `ledger`, or several hosts' common address.",
        );
    } else if most.saturating_sub(*used) < SPARE_CONNECTIONS {
        let help = "Raise `max_connections`, or put a pooler in session mode before it: an apply or a runner takes up to four.";
        checkup.warning("ledger server", subject, summary, help);
    } else {
        checkup.ok("ledger server", subject, summary);
    }
    match (tables, lacking.as_slice(), may_make) {
        (0, _, true) => {
            let summary =
                format!("{user} may make the schema {schema}; the first apply will make it");
            checkup.ok("ledger rights", subject, summary);
        }
        (0, _, false) => checkup.failed(
            "ledger rights",
            subject,
            format!("{user} may not make the schema {schema} in this database"),
            format!("As the database's owner: GRANT CREATE ON DATABASE … TO {user}, or let {user} own it."),
        ),
        (n, [], _) => {
            let tables = count(*n, "table");
            let summary = format!("{user} may read and write {tables} in {schema}");
            checkup.ok("ledger rights", subject, summary);
        }
        (_, lacking, _) => checkup.failed(
            "ledger rights",
            subject,
            format!("{user} may not use all of {schema}: {}", lacking.join(", ")),
            format!("As the owner of the tables: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user}, and USAGE ON SCHEMA {schema}. Whoever brings the ledger forward has to own them."),
        ),
    }
    let mib = bytes / 1024 / 1024;
    checkup.ok(
        "ledger space",
        subject,
        format!("{mib} MiB in the database; how much room is left a server does not tell, so watch its disk"),
    );
}

/// Fewer connections than this are soon used up by one apply and one runner.
const SPARE_CONNECTIONS: i64 = 8;

/// Whether the file can be written, or made, and has room to grow. The file itself is not opened for it.
fn writable(path: &Path, checkup: &mut Checkup) {
    let shown = path.display();
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some(there) = whole.ancestors().find(|above| above.exists()) else {
        let help = "Make the folder, or name another place under `ledger`.";
        let summary = format!("nothing leads to {shown}");
        return checkup.failed("ledger file", None, summary, help);
    };
    let exists = there == whole;
    let folder = if exists {
        whole.parent().unwrap_or(there)
    } else {
        there
    };
    // The mode says what its owner means, the kernel what this user may.
    let locked = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|found| found.permissions().readonly()) || denied(path)
    };
    if locked(there) || locked(folder) {
        let what = if exists {
            "it or its folder"
        } else {
            "its folder"
        };
        checkup.failed(
            "ledger file",
            None,
            format!("{shown}: {what} cannot be written by this user"),
            "Give whoever applies and sends the right to write the file and its folder.",
        );
    } else if exists {
        checkup.ok("ledger file", None, format!("{shown} can be written"));
    } else {
        let summary = format!("{shown} will be made by the first apply");
        checkup.ok("ledger file", None, summary);
    }
    space(folder, checkup);
}

/// Whether the kernel would refuse this user to write.
#[cfg(unix)]
fn denied(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err()
}

#[cfg(not(unix))]
fn denied(_: &Path) -> bool {
    false
}

#[cfg(unix)]
fn space(folder: &Path, checkup: &mut Checkup) {
    let shown = folder.display();
    match rustix::fs::statvfs(folder) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let mib = free / 1024 / 1024;
            let summary = format!("{mib} MiB free in {shown}");
            if free < LITTLE {
                let help = "Make room: a ledger that cannot grow stops applies and sends.";
                checkup.failed("ledger space", None, summary, help);
            } else {
                checkup.ok("ledger space", None, summary);
            }
        }
        Err(error) => checkup.unchecked("ledger space", None, error.to_string()),
    }
}

#[cfg(not(unix))]
fn space(_: &Path, checkup: &mut Checkup) {
    checkup.unchecked("ledger space", None, "this system is not asked");
}

async fn lease(books: &dyn Books, checkup: &mut Checkup) -> Result<(), LedgerError> {
    let Some(state) = books.lease().await? else {
        checkup.ok("lease", None, "nobody is applying");
        return Ok(());
    };
    let holder = format!(
        "{} on {} (process {}) holds it for `{}` since {}",
        state.holder.user,
        state.holder.host,
        state.holder.pid,
        state.holder.command,
        state.since.strftime("%Y-%m-%dT%H:%M:%SZ"),
    );
    if state.dead || state.expires < clock::now() {
        let why = if state.dead {
            "its process is dead"
        } else {
            "it has expired"
        };
        let help = "The next apply takes over by itself and settles what was under way.";
        checkup.warning("lease", None, format!("{holder}, and {why}"), help);
    } else {
        checkup.ok("lease", None, holder);
    }
    Ok(())
}

async fn unsettled(books: &dyn Books, checkup: &mut Checkup) -> Result<(), LedgerError> {
    let open = books.unsettled().await?;
    let lease = books.lease().await?;
    let live = lease.filter(|l| !l.dead && l.expires >= clock::now());
    let fence = live.map(|l| l.fence);
    let left: Vec<_> = open.iter().filter(|e| Some(e.fence) != fence).collect();
    let Some(oldest) = left.first() else {
        checkup.ok("unsettled", None, "the outcome of every write is known");
        return Ok(());
    };
    checkup.warning(
        "unsettled",
        None,
        format!(
            "{} of which nobody knows the outcome, since {}",
            count(left.len(), "write"),
            oldest.call.opened_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        ),
        "Run `beadle apply`: it finds out before it writes anything else.",
    );
    Ok(())
}

/// Whether every registered notice can be read, and whether somebody fires them.
async fn notices(books: &dyn Books, checkup: &mut Checkup) -> Result<(), LedgerError> {
    let bindings = books.bindings().await?;
    let registered = bindings
        .iter()
        .filter(|b| b.address.kind == Kind::RecurringNotice);
    let handled: std::collections::BTreeMap<_, _> = books.handled().await?.into_iter().collect();
    let (mut known, mut unreadable, mut behind) = (0, Vec::new(), Vec::new());
    for binding in registered {
        known += 1;
        let notice = match Registered::read(&binding.applied) {
            Ok(notice) => notice,
            Err(_) => {
                unreadable.push(binding.address.to_string());
                continue;
            }
        };
        let since = handled
            .get(&binding.address)
            .copied()
            .unwrap_or(binding.updated_at);
        let since = since.max(binding.updated_at);
        let due = notice
            .schedule
            .next(since)
            .ok()
            .flatten()
            .map(|firing| firing.at);
        if notice.enabled && due.is_some_and(|due| due + notice.late < clock::now()) {
            behind.push(binding.address.to_string());
        }
    }
    if !unreadable.is_empty() {
        let summary = format!(
            "registered by another version of beadle: {}",
            unreadable.join(", ")
        );
        checkup.failed(
            "notices",
            None,
            summary,
            "Apply them again with this version.",
        );
    }
    if !behind.is_empty() {
        let summary = format!(
            "due, and nobody has sent or missed them: {}",
            behind.join(", ")
        );
        checkup.failed(
            "notices",
            None,
            summary,
            "Let `beadle run` or `beadle tick` do it; neither has been here since.",
        );
    }
    if unreadable.is_empty() && behind.is_empty() {
        let summary = match known {
            0 => "none is registered".to_owned(),
            n => format!("{} registered, and none is behind", count(n, "notice")),
        };
        checkup.ok("notices", None, summary);
    }
    Ok(())
}

async fn held(books: &dyn Books, checkup: &mut Checkup) -> Result<(), LedgerError> {
    let found = books.occurrences(None, LATEST).await?;
    let is_held = |outcome: &Option<(Outcome, String)>| {
        outcome
            .as_ref()
            .is_some_and(|(outcome, _)| *outcome == Outcome::Held)
    };
    match found.iter().filter(|o| is_held(&o.outcome)).count() {
        0 => checkup.ok("held", None, "nothing waits for a person's word"),
        n => checkup.warning(
            "held",
            None,
            format!(
                "{} of which nobody knows whether it arrived",
                count(n, "occurrence")
            ),
            "Ask somebody who would have got it, then see `beadle notice settle --help`.",
        ),
    }
    Ok(())
}
