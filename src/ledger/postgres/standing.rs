//! What a server says of itself, for a person who asks what is wrong.

use super::connect::{Connection, Pool, Server};
use super::trouble::Trouble;
use crate::engine::ledger::LedgerError;

/// How a ledger on a server stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The server's version.
    pub version: String,
    /// Who is connected.
    pub user: String,
    /// Where the tables stand.
    pub schema: String,
    /// Whether it follows another server and takes no writes.
    pub is_standby: bool,
    /// Connections in use, ours among them.
    pub used: i64,
    /// Connections that there are for everybody.
    pub most: i64,
    /// How large the database is.
    pub bytes: i64,
    /// How many tables the schema has.
    pub tables: usize,
    /// Rights that the user does not have, each with what it is to.
    pub lacking: Vec<String>,
    /// Whether the user may make the schema.
    pub may_make: bool,
}

/// Asks a server, in a connection that writes nothing.
///
/// # Errors
///
/// When it cannot be reached or does not answer.
pub async fn standing(server: &Server) -> Result<Standing, LedgerError> {
    let pool = Pool::new(server, false)?;
    let at = |trouble: Trouble| trouble.at(&pool.place);
    let conn = pool.take().await.map_err(at)?;
    let found = ask(&conn).await.map_err(at)?;
    conn.give_back();
    Ok(found)
}

async fn ask(conn: &Connection) -> Result<Standing, Trouble> {
    let row = conn
        .row(
            "SELECT current_setting('server_version'), current_user::text, pg_is_in_recovery(),
                 (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
                 current_setting('max_connections')::bigint
                     - current_setting('superuser_reserved_connections')::bigint,
                 pg_database_size(current_database()),
                 has_database_privilege(current_database(), 'CREATE')",
            &[],
        )
        .await?;
    // Of the catalogue alone: a user without rights can ask that too.
    let tables = conn
        .rows(
            "SELECT c.relname::text,
                 has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                     AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY 1",
            &[&conn.schema],
        )
        .await?;
    let schema = conn
        .maybe_row(
            "SELECT has_schema_privilege(n.oid, 'USAGE') FROM pg_namespace n WHERE n.nspname = $1",
            &[&conn.schema],
        )
        .await?;
    let mut lacking = Vec::new();
    if let Some(row) = schema
        && !row.try_get::<_, bool>(0)?
    {
        lacking.push("the schema itself".to_owned());
    }
    for row in &tables {
        if !row.try_get::<_, bool>(1)? {
            lacking.push(format!("table {}", row.try_get::<_, String>(0)?));
        }
    }
    Ok(Standing {
        version: row.try_get(0)?,
        user: row.try_get(1)?,
        schema: conn.schema.clone(),
        is_standby: row.try_get(2)?,
        used: row.try_get(3)?,
        most: row.try_get(4)?,
        bytes: row.try_get(5)?,
        tables: tables.len(),
        lacking,
        may_make: row.try_get(6)?,
    })
}
