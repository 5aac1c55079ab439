//! `state`: what is bound.

use std::sync::Arc;
use std::time::Duration;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, State};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::keeper::Keeper;
use crate::cli::remembered::{BindingJson, StateJson};
use crate::cli::session::{open_ledger, read};
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::engine::ledger::{BindingChange, Ledger};
use crate::engine::outbox::Books;
use crate::ledger::Access;
use crate::model::Address;
use crate::model::parse::Secrets;
use crate::plan::live::Binding;

pub(super) async fn run(global: &Global, command: &State, ui: &Ui) -> Result {
    super::only(ui, "state", &super::HUMAN_JSON)?;
    let access = match command {
        State::List | State::Show { .. } => Access::Read,
        State::Move { .. } | State::Forget { .. } => Access::Write,
    };
    let (manifest, _) = read(global, ui, Secrets::Skip)?;
    let (ledger, keeps) = open_ledger(global, &manifest, access).await?;
    if !keeps {
        return Err(Failure::new("`ledger: none` remembers no bindings"));
    }
    let bindings = ledger.bindings().await?;
    match command {
        State::List => list(&bindings, ui),
        State::Show { address } => show(find(&bindings, address)?, ui),
        State::Move { from, to } => {
            let bound = find(&bindings, from)?;
            if bindings.iter().any(|b| b.address == *to) {
                return Err(Failure::new(format!("{to} is bound already"))
                    .hint("Let it go with `beadle state forget` first."));
            }
            if from.kind != to.kind {
                return Err(Failure::new(format!(
                    "a {} cannot become a {}",
                    from.kind, to.kind
                )));
            }
            let change = BindingChange::Move {
                from: bound.address.clone(),
                to: to.clone(),
            };
            write(&as_ledger(&ledger), global, change, ui).await?;
            ui.print(&format!("Moved {from} to {to}.\n"));
        }
        State::Forget { address } => {
            let bound = find(&bindings, address)?;
            write(
                &as_ledger(&ledger),
                global,
                BindingChange::Unbind(bound.address.clone()),
                ui,
            )
            .await?;
            ui.print(&format!("Forgot {address}; {} stays as it is.\n", bound.id));
        }
    }
    Ok(ExitStatus::Done)
}

fn find<'a>(bindings: &'a [Binding], address: &Address) -> Result<&'a Binding> {
    bindings
        .iter()
        .find(|b| b.address == *address)
        .ok_or_else(|| {
            let instances: Vec<_> = bindings
                .iter()
                .filter(|b| address.covers(&b.address))
                .map(|b| b.address.to_string())
                .collect();
            let hint = if instances.is_empty() {
                "`beadle state list` shows what is bound.".to_owned()
            } else {
                format!("It has instances: {}.", instances.join(", "))
            };
            Failure::new(format!("{address} is not bound")).hint(hint)
        })
}

async fn write(
    ledger: &Arc<dyn Ledger>,
    global: &Global,
    change: BindingChange,
    ui: &Ui,
) -> Result<()> {
    let stop = super::watch_signals(ui);
    let say = |words: &str| ui.say(words);
    let keeper = Keeper::acquire(
        Arc::clone(ledger),
        "state",
        global.timeout,
        Duration::ZERO,
        &stop,
        &say,
    )
    .await?;
    let result = ledger
        .record(&keeper.right.lease, clock::now(), &[change])
        .await;
    keeper.release().await?;
    Ok(result?)
}

fn as_ledger(books: &Arc<dyn Books>) -> Arc<dyn Ledger> {
    books.clone()
}

fn list(bindings: &[Binding], ui: &Ui) {
    if ui.format() == Format::Json {
        return ui.print_json(&StateJson::new(bindings));
    }
    if bindings.is_empty() {
        return ui.say("Nothing is bound.");
    }
    let rows: Vec<_> = bindings
        .iter()
        .map(|b| {
            vec![
                b.address.to_string(),
                b.id.to_string(),
                b.collection
                    .tasklist()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                if b.protect {
                    "protected".to_owned()
                } else {
                    String::new()
                },
            ]
        })
        .collect();
    ui.print(&super::table(&["ADDRESS", "ID", "TASKLIST", ""], &rows));
}

fn show(binding: &Binding, ui: &Ui) {
    if ui.format() == Format::Json {
        return ui.print_json(&StateJson::new(std::slice::from_ref(binding)));
    }
    let json =
        serde_json::to_value(BindingJson::from(binding)).expect("our shapes have text keys only");
    let mut text = String::new();
    for (key, value) in json.as_object().expect("made as an object") {
        match value {
            serde_json::Value::Object(fields) => {
                text.push_str(&format!("{key}:\n"));
                for (field, value) in fields {
                    text.push_str(&format!("  {field}: {}\n", clean(&plain(value))));
                }
            }
            other => text.push_str(&format!("{key}: {}\n", clean(&plain(other)))),
        }
    }
    ui.print(&text);
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
