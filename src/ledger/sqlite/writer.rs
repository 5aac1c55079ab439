//! The connection of a process that writes, and who uses it beside those who wait.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rusqlite::Connection;

use super::together::Together;
use super::trouble::Trouble;
use super::{file, locked};

/// A connection that is kept; the file is folded together when it leaves.
pub(super) struct Writer {
    pub(super) conn: Arc<Mutex<Connection>>,
    path: PathBuf,
    /// Where those who ask at the same time write, once somebody has.
    together: OnceLock<Together>,
    /// With which it is looked meanwhile: nobody who looks waits for a commit.
    beside: Mutex<Option<Connection>>,
}

impl Writer {
    pub(super) fn new(conn: Connection, path: PathBuf) -> Self {
        Self {
            conn: Arc::new(Mutex::new(conn)),
            path,
            together: OnceLock::new(),
            beside: Mutex::new(None),
        }
    }

    pub(super) fn look<T>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        if self.together.get().is_none() {
            return look(&locked(&self.conn));
        }
        let mut beside = locked(&self.beside);
        let conn = match beside.take() {
            Some(conn) => conn,
            None => file::beside(&self.path)?,
        };
        look(beside.insert(conn))
    }

    pub(super) fn together(&self) -> Result<&Together, Trouble> {
        if let Some(together) = self.together.get() {
            return Ok(together);
        }
        let started = Together::start(Arc::clone(&self.conn))?;
        if let Err(second) = self.together.set(started) {
            second.stop();
        }
        let kept = self.together.get();
        kept.ok_or_else(|| Trouble::Failed("the writer did not start".into()))
    }

    pub(super) fn leave(self) {
        if let Some(together) = self.together.into_inner() {
            together.stop();
        }
        drop(self.beside);
        if let Some(conn) = Arc::into_inner(self.conn) {
            let conn = conn.into_inner().unwrap_or_else(PoisonError::into_inner);
            file::fold(conn, &self.path);
        }
    }
}
