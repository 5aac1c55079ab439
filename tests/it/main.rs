//! The integration tests, as one binary so that it links once.

#[cfg(test)]
mod agenda;
#[cfg(test)]
mod apply;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod channels;
#[cfg(test)]
mod client;
#[cfg(test)]
mod client_people;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod comment;
#[cfg(test)]
mod conversations;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod edit;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod fault_classes;
#[cfg(test)]
mod fault_lab;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fortnight;
#[cfg(test)]
mod found;
#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod group_command;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod impex;
#[cfg(test)]
mod init;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod lease;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod ledger_command;
#[cfg(test)]
mod long_runner;
#[cfg(test)]
mod managed;
#[cfg(test)]
mod manifest;
#[cfg(test)]
mod manifest_cli;
#[cfg(test)]
mod manifest_tree;
#[cfg(test)]
mod message;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod outlook;
#[cfg(test)]
mod packaging;
#[cfg(test)]
mod pictures;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod readmes;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod runner;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod sandbox_faults;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod security;
#[cfg(test)]
mod self_test;
#[cfg(test)]
mod shared_ledger;
#[cfg(test)]
mod shared_runners;
#[cfg(test)]
mod simulate;
#[cfg(test)]
mod since;
#[cfg(test)]
mod staying_runners;
#[cfg(test)]
mod supply;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod tls_ledger;
#[cfg(test)]
mod track;
#[cfg(test)]
mod walk;
#[cfg(test)]
mod support {
    pub(crate) mod contract;
    pub(crate) mod github;
    pub(crate) mod own_server;
    pub(crate) mod postgres;
    pub(crate) mod project;
    pub(crate) mod repository;
    pub(crate) mod sides;
}
