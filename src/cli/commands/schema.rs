//! `schema`, `completions` and `version`: for editors, shells and people.

use clap::CommandFactory;

use super::Result;
use crate::cli::args::{Completions, Format, Man, Schema, SchemaName};
use crate::cli::build::{VersionJson, facts};
use crate::cli::checkup::CheckupJson;
use crate::cli::drift::json::DriftJson;
use crate::cli::error::Failure;
use crate::cli::json::{ApplyEventJson, PlanJson};
use crate::cli::people::{GroupJson, GroupsJson};
use crate::cli::planning::SavedPlan;
use crate::cli::proof::ProofJson;
use crate::cli::remembered::{HistoryJson, LeaseJson, StateJson};
use crate::cli::report::ReportJson;
use crate::cli::simulation::SimulationJson;
use crate::cli::text::count;
use crate::cli::ui::{Ui, pretty};
use crate::cli::{Args, ExitStatus, diagnostics, reference};
use crate::model::parse::manifest_schema;

pub(super) fn run(args: &Schema, ui: &Ui) -> Result {
    super::only(
        ui,
        "schema",
        &[Format::Human, Format::Json, Format::Markdown],
    )?;
    match (ui.format(), args.name) {
        (Format::Markdown, SchemaName::Manifest) => ui.print(&reference::page(&schema(args.name))),
        (Format::Markdown, _) => {
            return Err(Failure::usage("there is a page of the manifest only"));
        }
        _ => ui.print_json(&schema(args.name)),
    }
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
        SchemaName::Version => schemars::schema_for!(VersionJson).to_value(),
        SchemaName::SelfTest => schemars::schema_for!(ProofJson).to_value(),
        SchemaName::Doctor => schemars::schema_for!(CheckupJson).to_value(),
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

/// Man pages, with nothing in them that differs from build to build.
pub(super) fn man(args: &Man, ui: &Ui) -> Result {
    super::only(ui, "man", &[Format::Human])?;
    let mut command = Args::command();
    command.build();
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Failure::new("the page cannot be made").because(error))?;
        ui.print(&String::from_utf8_lossy(&page));
        return Ok(ExitStatus::Done);
    };
    let shown = folder.display();
    let wrote = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .and_then(|()| Ok(std::fs::read_dir(folder)?.count()));
    let pages = wrote.map_err(|error| {
        Failure::new(format!("the man pages cannot be written into {shown}")).because(error)
    })?;
    ui.print(&format!("Wrote {} in {shown}.\n", count(pages, "man page")));
    Ok(ExitStatus::Done)
}

pub(super) fn version(ui: &Ui) -> Result {
    super::only(ui, "version", &super::HUMAN_JSON)?;
    let facts = facts();
    match ui.format() {
        Format::Json => ui.print_json(&facts),
        _ => ui.print(&format!("beadle {}\n", facts.version)),
    }
    Ok(ExitStatus::Done)
}
