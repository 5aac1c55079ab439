//! `import`: binds one live object to a declared resource, and changes nothing at the vendor.

mod kept;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Global, Import};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::keeper::Keeper;
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::engine::ledger::BindingChange;
use crate::engine::refresh::refresh;
use crate::ledger::Access;
use crate::model::{Kind, RemoteId};
use crate::plan::live::Binding;
use crate::plan::{Choice, Listing, Resolution};

pub(super) async fn run(global: &Global, args: &Import, ui: &Ui) -> Result {
    super::only(ui, "import", &super::HUMAN_JSON)?;
    let stop = super::watch_signals(ui);
    let session = Session::open(global, ui, Access::Write).await?;
    if !session.keeps() {
        return Err(Failure::new(
            "`ledger: none` remembers no bindings, so nothing can be imported",
        )
        .hint("Write `id` in the resource's block instead."));
    }
    let keeper = Keeper::acquire(
        Arc::clone(&session.ledger),
        "import",
        global.timeout,
        args.patience.lease_wait,
        &stop,
        &|words| ui.say(words),
    )
    .await?;
    let result = find_and_bind(&session, &keeper, args).await;
    keeper.release().await?;
    let binding = result?;
    let words = format!(
        "Bound {} to {} in {}.\n",
        binding.address, binding.id, binding.collection
    );
    match ui.format() {
        crate::cli::args::Format::Json => ui.print_json(&serde_json::json!({
            "format_version": crate::cli::json::FORMAT_VERSION,
            "address": binding.address.to_string(),
            "id": binding.id.to_string(),
            "tasklist": binding.collection.tasklist().map(ToString::to_string),
        })),
        _ => ui.print(&words),
    }
    session.close().await;
    Ok(ExitStatus::Done)
}

async fn find_and_bind(session: &Session, keeper: &Keeper, args: &Import) -> Result<Binding> {
    let binding = match args.address.kind {
        Kind::Chat | Kind::RecipientGroup => kept::find(session, args).await?,
        Kind::TasklistSubscription | Kind::RecurringNotice => find(session, args).await?,
    };
    let change = BindingChange::Bind(binding.clone());
    session
        .ledger
        .record(&keeper.right.lease, binding.updated_at, &[change])
        .await?;
    Ok(binding)
}

/// What the ledger is to remember of a subscription.
async fn find(session: &Session, args: &Import) -> Result<Binding> {
    let declared: Vec<_> = session
        .manifest
        .subscriptions
        .iter()
        .filter(|s| args.address.covers(&s.address))
        .collect();
    let subscription = match declared.as_slice() {
        [one] => *one,
        [] => {
            return Err(Failure::new(format!("{} is not declared", args.address))
                .hint("Write its block first; `beadle export` writes one with the id."));
        }
        several => {
            let names: Vec<_> = several.iter().map(|s| s.address.to_string()).collect();
            return Err(Failure::new(format!(
                "{} has several instances: {}",
                args.address,
                names.join(", ")
            )));
        }
    };
    let address = &subscription.address;
    let choice = Choice {
        targets: vec![address.clone()],
        ..Choice::default()
    };
    let live = refresh(
        &session.manifest,
        &[],
        &choice,
        &session.readers(),
        BTreeMap::new(),
        &|_, _| {},
    )
    .await;
    if !live.diagnostics.is_empty() {
        return Err(session.findings(live.diagnostics));
    }
    let collection = match live.tasklists.get(&subscription.tasklist) {
        Some(Resolution::Found(guid)) => guid,
        Some(Resolution::Unread(why)) => {
            return Err(Failure::new(format!(
                "its tasklist could not be looked up: {why}"
            )));
        }
        None => return Err(Failure::new("its tasklist was not looked up")),
    };
    let objects = match live.listings.get(collection) {
        Some(Listing::Objects(objects)) => objects,
        Some(Listing::Unread(why)) => {
            return Err(Failure::new(format!(
                "{collection} could not be read: {why}"
            )));
        }
        None => return Err(Failure::new(format!("{collection} was not read"))),
    };
    let id = RemoteId::new(&args.id);
    let Some(object) = objects.iter().find(|o| o.id == id) else {
        return Err(Failure::new(format!(
            "tasklist `{}` holds no subscription {id}",
            subscription.tasklist
        ))
        .hint("`beadle export` lists what it holds."));
    };
    let bindings = session.ledger.bindings().await?;
    if let Some(bound) = bindings
        .iter()
        .find(|b| b.address == *address && b.id != id)
    {
        return Err(
            Failure::new(format!("{address} is bound to {} already", bound.id))
                .hint("Let it go with `beadle state forget` first."),
        );
    }
    if let Some(bound) = bindings
        .iter()
        .find(|b| b.collection == *collection && b.id == id && b.address != *address)
    {
        return Err(
            Failure::new(format!("{id} is bound to {} already", bound.address))
                .hint("Rename the binding with `beadle state move`."),
        );
    }
    let provider = &session.manifest.tasklists[&subscription.tasklist].provider;
    // What is live counts as applied, so that what the manifest says otherwise shows as ahead.
    let mut applied = object.fields.clone();
    for field in &subscription.ignore {
        applied.remove(*field);
    }
    Ok(Binding {
        address: address.clone(),
        provider: provider.clone(),
        app: session.writers[provider].app().clone(),
        collection: collection.clone(),
        id,
        applied,
        protect: subscription.protect,
        updated_at: clock::now(),
    })
}
