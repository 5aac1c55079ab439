//! A notice that goes by another name.

use super::connect::Params;
use super::transaction::Tx;
use super::trouble::Trouble;
use crate::model::{Address, Name};

/// A notice goes by another name from now on, and so does everything that is remembered of it: nothing is
/// sent once more under the new one.
pub(super) async fn notice(
    tx: &Tx<'_>,
    project: &Name,
    from: &Address,
    to: &Address,
) -> Result<(), Trouble> {
    let (from, to) = (from.to_string(), to.to_string());
    let both: Params<'_> = &[&project.as_str(), &from, &to];
    // Of a notice that had this name before, what is remembered stays; the rest of ours follows.
    let row = tx
        .row(
            "SELECT max(until) FROM handled WHERE project = $1 AND notice IN ($2, $3)",
            both,
        )
        .await?;
    if let Some(until) = row.try_get::<_, Option<&str>>(0)? {
        tx.run(
            "INSERT INTO handled (project, notice, until) VALUES ($1, $2, $3)
             ON CONFLICT (project, notice) DO UPDATE SET until = excluded.until",
            &[&project.as_str(), &to, &until],
        )
        .await?;
        tx.run(
            "DELETE FROM handled WHERE project = $1 AND notice = $2",
            &[&project.as_str(), &from],
        )
        .await?;
    }
    for table in ["delivery", "settlement", "following"] {
        tx.run(
            &format!(
                "UPDATE {table} SET notice = $3 WHERE project = $1 AND notice = $2
                     AND NOT EXISTS (SELECT 1 FROM occurrence o WHERE o.project = $1
                         AND o.notice = $3 AND o.nominal = {table}.nominal)"
            ),
            both,
        )
        .await?;
    }
    tx.run(
        "UPDATE occurrence SET notice = $3 WHERE project = $1 AND notice = $2
             AND NOT EXISTS (SELECT 1 FROM occurrence o WHERE o.project = $1
                 AND o.notice = $3 AND o.nominal = occurrence.nominal)",
        both,
    )
    .await?;
    tx.run(
        "UPDATE pause SET notice = $3 WHERE project = $1 AND notice = $2
             AND NOT EXISTS (SELECT 1 FROM pause p WHERE p.project = $1 AND p.notice = $3)",
        both,
    )
    .await?;
    Ok(())
}
