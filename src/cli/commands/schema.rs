//! `schema`, `completions` and `version`: for editors, shells and people.

use clap::CommandFactory;
use serde_json::json;

use super::Result;
use crate::cli::args::{Completions, Format, Schema, SchemaName};
use crate::cli::drift::json::DriftJson;
use crate::cli::json::{ApplyEventJson, FORMAT_VERSION, PlanJson};
use crate::cli::people::{GroupJson, GroupsJson};
use crate::cli::planning::SavedPlan;
use crate::cli::remembered::{HistoryJson, LeaseJson, StateJson};
use crate::cli::report::ReportJson;
use crate::cli::simulation::SimulationJson;
use crate::cli::ui::{Ui, pretty};
use crate::cli::{Args, ExitStatus, diagnostics};
use crate::model::parse::manifest_schema;

pub(super) fn run(args: &Schema, ui: &Ui) -> Result {
    super::only(ui, "schema", &super::HUMAN_JSON)?;
    ui.print_json(&schema(args.name));
    Ok(ExitStatus::Done)
}

/// The manifest's schema, as it is printed.
pub(in crate::cli) fn schema_text() -> String {
    pretty(&schema(SchemaName::Manifest))
}

/// The JSON Schema of a published shape.
pub(super) fn schema(name: SchemaName) -> serde_json::Value {
    match name {
        SchemaName::Manifest => manifest_schema(),
        SchemaName::Plan => schemars::schema_for!(PlanJson).to_value(),
        SchemaName::Drift => schemars::schema_for!(DriftJson).to_value(),
        SchemaName::SavedPlan => schemars::schema_for!(SavedPlan).to_value(),
        SchemaName::State => schemars::schema_for!(StateJson).to_value(),
        SchemaName::Lease => schemars::schema_for!(LeaseJson).to_value(),
        SchemaName::History => schemars::schema_for!(HistoryJson).to_value(),
        SchemaName::Group => schemars::schema_for!(GroupJson).to_value(),
        SchemaName::Groups => schemars::schema_for!(GroupsJson).to_value(),
        SchemaName::Simulation => schemars::schema_for!(SimulationJson).to_value(),
        SchemaName::Report => schemars::schema_for!(ReportJson).to_value(),
        SchemaName::ApplyEvent => schemars::schema_for!(ApplyEventJson).to_value(),
        SchemaName::Diagnostics => schemars::schema_for!(diagnostics::Report).to_value(),
    }
}

pub(super) fn completions(args: &Completions, ui: &Ui) -> Result {
    super::only(ui, "completions", &[Format::Human])?;
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "beadle", &mut script);
    ui.print(&String::from_utf8_lossy(&script));
    Ok(ExitStatus::Done)
}

pub(super) fn version(ui: &Ui) -> Result {
    super::only(ui, "version", &super::HUMAN_JSON)?;
    let version = env!("CARGO_PKG_VERSION");
    match ui.format() {
        Format::Json => {
            ui.print_json(&json!({ "format_version": FORMAT_VERSION, "version": version }))
        }
        _ => ui.print(&format!("beadle {version}\n")),
    }
    Ok(ExitStatus::Done)
}
