//! What EnOS's codes mean to a person, and what to do about them.
//!
//! What they mean to the client is in `limits/enos.rs`. Meanings are those of the pages on tokens and on
//! users of an OU.

use crate::vendors::limits::Row;
use crate::vendors::limits::enos::{GET_NOTICE, PRODUCE};

/// What to do about a code; none where the contract knows nothing that would help.
pub(super) fn hint(row: &Row, code: &str) -> Option<&'static str> {
    Some(match code {
        "1001" => {
            "EnOS has seen this very request before; something else may be using the same app. Try again."
        }
        "1002" => {
            "Check `app_key`, and that `base_url` is the gateway of the deployment where the application is registered."
        }
        "1003" => "The `app_secret` is wrong; copy it anew from the application's page.",
        "1005" | "99500" => "EnOS had an internal fault; try again later.",
        "1203" | "1204" => {
            "EnOS did not accept a fresh token either; check that the application is enabled."
        }
        "31400" => "EnOS does not accept a parameter; check `org_id`.",
        "31403" if row.operation == PRODUCE || row.operation == GET_NOTICE => {
            "The OU must own the application or have acquired it; its administrator can see to that."
        }
        "31403" | "99403" => {
            "The OU's administrator must let the application see user ids and names, mail and phone."
        }
        "31404" | "99404" => {
            "EnOS does not know the OU, or not the application in it; check `org_id`."
        }
        "1004" | "1202" | "31401" | "31512" | "99400" => {
            "EnOS did not take the request for one of its own; please report this as a fault of beadle."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendors::limits::enos::{ROSTER, row};

    #[test]
    fn every_code_of_the_contract_is_explained() {
        let contract = include_str!("../../../tests/fixtures/vendors/enos.openapi.yaml");
        let contract: serde_json::Value = serde_yaml::from_str(contract).unwrap();
        let codes = contract["x-error-catalog"]["codes"].as_object().unwrap();
        for (code, entry) in codes {
            let told = hint(row(ROSTER), code).is_some();
            assert_eq!(told, entry["class"] != "ok", "{code}");
        }
    }
}
