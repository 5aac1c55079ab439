//! A project opened for a command: its manifest, the sandbox if asked for, the ledger, the clients.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::args::Global;
use super::error::Failure;
use super::furnish;
use super::load::{LoadOptions, Loaded, load};
use super::looking::Looking;
use super::ui::Ui;
use crate::engine::apply::Writers;
use crate::engine::ledger::Ledger;
use crate::engine::outbox::Books;
use crate::engine::people::Directories;
use crate::engine::refresh::Readers;
use crate::engine::runner::Channels;
use crate::engine::view::View;
use crate::engine::{Reader, Writer};
use crate::ledger::{self, Access};
use crate::model::diagnostic::{Sources, has_errors};
use crate::model::manifest::{LedgerUrl, Manifest, Provider, Vendor};
use crate::model::parse::{Secrets, World};
use crate::model::{AppId, Diagnostic, Name};
use crate::plan::Memory;
use crate::sandbox::{self, Sandbox};
use crate::vendors;

/// Where `--sandbox` keeps its world and its ledger, inside the project folder.
const SANDBOX_DIR: &str = ".beadle/sandbox";

/// An opened project.
pub(super) struct Session {
    pub(super) sources: Sources,
    pub(super) manifest: Manifest,
    /// The providers as the files declare them, also where the sandbox stands in for them.
    pub(super) providers: BTreeMap<Name, Provider>,
    pub(super) ledger: Arc<dyn Ledger>,
    keeps: bool,
    /// Whether no apply had run when the session began; its own lease counts as one.
    was_new: bool,
    pub(super) writers: Writers,
    /// Who looks people up.
    pub(super) directories: Directories,
    /// Who sends.
    pub(super) channels: Channels,
    /// What remembers of sending.
    pub(super) outbox: Arc<dyn Books>,
    /// The project folder.
    pub(super) dir: PathBuf,
    sandbox: Option<Sandbox>,
}

/// Reads the manifest, shows what was found, and stops at errors.
pub(super) fn read(
    global: &Global,
    ui: &Ui,
    secrets: Secrets,
) -> Result<(Manifest, Sources), Failure> {
    let Loaded {
        sources,
        manifest,
        diagnostics,
        ..
    } = load(&options(global, secrets));
    match manifest {
        Some(manifest) if !has_errors(&diagnostics) => {
            ui.findings(&diagnostics, &sources);
            Ok((manifest, sources))
        }
        _ => Err(Failure::of_findings((diagnostics, sources))),
    }
}

/// What the loader is told.
pub(super) fn options(global: &Global, secrets: Secrets) -> LoadOptions {
    LoadOptions {
        dir: global.dir.clone(),
        vars: global.vars.clone(),
        var_files: global.var_files.clone(),
        secrets,
        world: if global.sandbox {
            World::Sandbox
        } else {
            World::Real
        },
    }
}

impl Session {
    /// Opens everything that a command needs.
    pub(super) async fn open(global: &Global, ui: &Ui, access: Access) -> Result<Session, Failure> {
        let secrets = if global.sandbox {
            Secrets::Skip
        } else {
            Secrets::Require
        };
        let (mut manifest, sources) = read(global, ui, secrets)?;
        let providers = manifest.providers.clone();
        let sandbox = if global.sandbox {
            Some(enter_sandbox(global, ui, &mut manifest).await?)
        } else {
            None
        };
        let (outbox, keeps) = open_ledger(global, &manifest, access).await?;
        let was_new = outbox.is_new().await?;
        let (writers, directories, channels) = connect(global, &manifest, sandbox.is_some())?;
        #[cfg(debug_assertions)]
        let (outbox, writers, channels) = super::crash::install(outbox, writers, channels);
        let ledger: Arc<dyn Ledger> = outbox.clone();
        Ok(Session {
            sources,
            manifest,
            providers,
            ledger,
            keeps,
            was_new,
            writers,
            directories,
            channels,
            outbox,
            dir: global.dir.clone(),
            sandbox,
        })
    }

    /// The writers, as far as reading goes.
    pub(super) fn readers(&self) -> Readers {
        self.writers
            .iter()
            .map(|(key, writer)| (key.clone(), Arc::clone(writer) as Arc<dyn Reader>))
            .collect()
    }

    /// What kind of memory the ledger is.
    pub(super) fn memory(&self) -> Memory {
        match (self.keeps, self.was_new) {
            (false, _) => Memory::None,
            (true, true) => Memory::New,
            (true, false) => Memory::Kept,
        }
    }

    /// What only looks, of all this.
    pub(super) fn looking(&self) -> Looking<'_> {
        Looking {
            sources: &self.sources,
            manifest: &self.manifest,
            ledger: View::of(Arc::clone(&self.ledger), Arc::clone(&self.outbox)),
            memory: self.memory(),
            readers: self.readers(),
            directories: &self.directories,
        }
    }

    /// Whether the sandbox stands in for the vendors.
    pub(super) fn is_sandboxed(&self) -> bool {
        self.sandbox.is_some()
    }

    /// Whether bindings are remembered at all.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Ends the sandbox, if there is one.
    pub(super) async fn close(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }

    /// Turns findings into the failure that shows them.
    pub(super) fn findings(&self, found: Vec<Diagnostic>) -> Failure {
        Failure::of_findings((found, self.sources.clone()))
    }
}

/// The ledger without the vendors, for commands that only look at what is remembered.
pub(super) async fn open_ledger(
    global: &Global,
    manifest: &Manifest,
    access: Access,
) -> Result<(Arc<dyn Books>, bool), Failure> {
    if let LedgerUrl::Postgres(url) = &manifest.ledger
        && !global.sandbox
    {
        let server = super::server::server(global, url)?;
        let books = ledger::connect(&server, &manifest.project, access).await?;
        super::clock::follow(&*books).await?;
        return Ok((books, true));
    }
    let path = ledger_file(global, manifest);
    match path {
        Some(path) => {
            if access != Access::Read {
                ignore_folder(global, &path);
            }
            Ok((ledger::open(&path, &manifest.project, access)?, true))
        }
        None => Ok((ledger::open_memory(&manifest.project), false)),
    }
}

/// The file of the ledger, where it is one.
pub(super) fn ledger_file(global: &Global, manifest: &Manifest) -> Option<PathBuf> {
    if global.sandbox {
        return Some(sandbox_dir(global).join("ledger.db"));
    }
    match &manifest.ledger {
        // `./` in front of every message about the file would only be noise.
        LedgerUrl::Sqlite(path) if global.dir.as_os_str() == "." => Some(path.clone()),
        LedgerUrl::Sqlite(path) => Some(global.dir.join(path)),
        LedgerUrl::Postgres(_) | LedgerUrl::None => None,
    }
}

/// Keeps beadle's own folder out of Git without touching the user's ignore file.
fn ignore_folder(global: &Global, inside: &Path) {
    let own = global.dir.join(".beadle");
    if inside.starts_with(&own) && std::fs::create_dir_all(&own).is_ok() {
        let file = own.join(".gitignore");
        if !file.exists() {
            // Only a convenience: a folder that cannot be written shows when the ledger is opened.
            let _ = std::fs::write(file, "*\n");
        }
    }
}

fn sandbox_dir(global: &Global) -> PathBuf {
    global.dir.join(SANDBOX_DIR)
}

/// Starts the sandbox in this process and lets it have what the manifest names.
async fn enter_sandbox(
    global: &Global,
    ui: &Ui,
    manifest: &mut Manifest,
) -> Result<Sandbox, Failure> {
    let dir = sandbox_dir(global);
    ignore_folder(global, &dir);
    std::fs::create_dir_all(&dir).map_err(|error| {
        Failure::new(format!(
            "the sandbox's folder {} cannot be made",
            dir.display()
        ))
        .because(error)
    })?;
    let options = sandbox::Options {
        world: Some(dir.join("world.db")),
        ..sandbox::Options::default()
    };
    furnished(options, ui, manifest).await
}

/// Starts a sandbox whose world lives as long as the process, for commands that leave nothing behind.
pub(super) async fn rehearsal(manifest: &mut Manifest, ui: &Ui) -> Result<Sandbox, Failure> {
    furnished(sandbox::Options::default(), ui, manifest).await
}

async fn furnished(
    options: sandbox::Options,
    ui: &Ui,
    manifest: &mut Manifest,
) -> Result<Sandbox, Failure> {
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let hint = "Remove .beadle/sandbox to begin with a new world.";
    let sandbox = Sandbox::start(listen, options).await.map_err(|error| {
        Failure::new("the sandbox did not start")
            .because(error)
            .hint(hint)
    })?;
    for provider in manifest.providers.values_mut() {
        provider.base_url = sandbox.base_url();
        provider.agent_id.get_or_insert(1);
        provider.robot_code = Some(sandbox::APP_ID.into());
        provider.app = AppId::new(sandbox::APP_ID);
        provider.secret = Some(sandbox::APP_SECRET.into());
        if provider.vendor == Vendor::Enos {
            // Without its OU nobody could be looked up there.
            provider.org_id.get_or_insert_with(|| "sandbox".into());
        }
    }
    furnish::furnish(&sandbox, manifest, ui).map_err(|error| furnish::failure(error, hint))?;
    Ok(sandbox)
}

fn connect(
    global: &Global,
    manifest: &Manifest,
    in_sandbox: bool,
) -> Result<(Writers, Directories, Channels), Failure> {
    let mut writers = Writers::new();
    let mut directories = Directories::new();
    let mut channels = Channels::new();
    let authorities = authorities(global)?;
    for (key, provider) in &manifest.providers {
        let Some(Connected { writer, jobs }) =
            client(global, key, provider, in_sandbox, authorities.as_deref())?
        else {
            continue;
        };
        writers.extend(writer.map(|writer| (key.clone(), writer)));
        directories.insert(key.clone(), jobs.directory);
        channels.insert(key.clone(), jobs.channel);
    }
    Ok((writers, directories, channels))
}

/// The client of one provider.
pub(super) struct Connected {
    /// What reads and writes; Feishu alone has objects that beadle keeps.
    pub(super) writer: Option<Arc<dyn Writer>>,
    pub(super) jobs: vendors::Jobs,
}

/// Makes the client of one provider; none when its secret is not known.
pub(super) fn connect_one(
    global: &Global,
    key: &Name,
    provider: &Provider,
    in_sandbox: bool,
) -> Result<Option<Connected>, Failure> {
    client(
        global,
        key,
        provider,
        in_sandbox,
        authorities(global)?.as_deref(),
    )
}

/// The authorities of `--ca-file`.
fn authorities(global: &Global) -> Result<Option<Vec<u8>>, Failure> {
    let Some(file) = &global.ca_file else {
        return Ok(None);
    };
    let read = std::fs::read(file).map_err(|error| {
        Failure::new(format!(
            "the certificate file {} cannot be read",
            file.display()
        ))
        .because(error)
    });
    read.map(Some)
}

fn client(
    global: &Global,
    key: &Name,
    provider: &Provider,
    in_sandbox: bool,
    authorities: Option<&[u8]>,
) -> Result<Option<Connected>, Failure> {
    let Some(secret) = &provider.secret else {
        return Ok(None);
    };
    let mut settings =
        vendors::Settings::new(&provider.base_url, provider.app.clone(), secret.clone());
    settings.timeout = global.timeout;
    settings.connect_timeout = (global.timeout / 3).min(settings.connect_timeout);
    settings.patience.first = global.retry_wait;
    settings.concurrency = usize::from(global.concurrency);
    settings.allow_hosts = super::load::allowed_hosts(&|name| std::env::var(name).ok());
    settings.authorities = authorities.map(<[u8]>::to_vec);
    settings.paced = !in_sandbox;
    let unusable = |error| Failure::new(format!("provider `{key}` cannot be used")).because(error);
    let (writer, jobs): (Option<Arc<dyn Writer>>, _) = match provider.vendor {
        Vendor::Feishu => {
            let (writer, jobs) = vendors::feishu(settings).map_err(unusable)?;
            (Some(writer), jobs)
        }
        Vendor::DingTalk => {
            let agency = vendors::Agency {
                edition: provider.edition,
                agent_id: provider.agent_id,
                robot_code: provider.robot_code.as_deref().map(str::to_owned),
            };
            (None, vendors::dingtalk(settings, agency).map_err(unusable)?)
        }
        Vendor::Enos => {
            let org = provider.org_id.as_deref().unwrap_or_default();
            let jobs = vendors::enos(settings, org, Timestamp::now).map_err(unusable)?;
            (None, jobs)
        }
    };
    Ok(Some(Connected { writer, jobs }))
}
