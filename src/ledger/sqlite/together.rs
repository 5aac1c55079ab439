//! Writes that are asked for at the same time share a commit, and so the wait for the disk.
//!
//! # Guarantees
//!
//! - Whoever asked hears of it after the commit, and never before.
//! - A write that fails takes no other with it, unless it takes the transaction; then nobody's was made.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::trouble::Trouble;
use super::{locked, migrate};

/// The most that share one commit, so that nobody waits for long.
const MOST: usize = 64;

/// Writes, unless there is trouble already; then it tells that, and there is nothing to keep.
type Ask = Box<dyn FnOnce(Result<&Connection, Trouble>) -> Option<Written> + Send>;

/// What a write has done so far.
struct Written {
    /// Whether it is to be kept.
    keeps: bool,
    /// Tells whoever asked how it went; without trouble the commit was made.
    tell: Box<dyn FnOnce(Option<Trouble>)>,
}

/// A thread that writes for those who ask.
pub(super) struct Together {
    asks: mpsc::Sender<Ask>,
    thread: JoinHandle<()>,
}

impl Together {
    /// One for a connection, which others may use in between.
    pub(super) fn start(conn: Arc<Mutex<Connection>>) -> std::io::Result<Self> {
        let (asks, asked) = mpsc::channel();
        let write = move || write(&conn, &asked);
        let builder = thread::Builder::new().name("ledger".to_owned());
        Ok(Self {
            asks,
            thread: builder.spawn(write)?,
        })
    }

    /// Has `change` done in a transaction that others may share.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (word, said) = oneshot::channel();
        // Whoever does not wait any more need not hear it.
        let ask: Ask = Box::new(move |conn| match conn {
            Err(trouble) => {
                let _ = word.send(Err(trouble));
                None
            }
            Ok(conn) => {
                let done = change(conn);
                Some(Written {
                    keeps: done.is_ok(),
                    tell: Box::new(move |trouble| {
                        let _ = word.send(done.and_then(|done| trouble.map_or(Ok(done), Err)));
                    }),
                })
            }
        });
        let stopped = || Trouble::Failed("it was not written: the writer stopped".into());
        self.asks.send(ask).map_err(|_| stopped())?;
        said.await.map_err(|_| stopped())?
    }

    /// Ends the thread, after what was asked for.
    pub(super) fn stop(self) {
        drop(self.asks);
        let _ = self.thread.join();
    }
}

fn write(conn: &Mutex<Connection>, asked: &mpsc::Receiver<Ask>) {
    while let Ok(first) = asked.recv() {
        let mut conn = locked(conn);
        let asks = std::iter::once(first).chain(asked.try_iter()).take(MOST);
        // A panic rolls back, and those who wait hear that nothing was written.
        let _ = catch_unwind(AssertUnwindSafe(|| commit(&mut conn, asks)));
    }
}

/// Does what is asked in one transaction, and tells each how it went.
fn commit(conn: &mut Connection, asks: impl Iterator<Item = Ask>) {
    let mut asks = asks.peekable();
    let begun = conn.transaction_with_behavior(TransactionBehavior::Immediate);
    let begun = begun.map_err(Trouble::from);
    let mut tx = match begun.and_then(|tx| migrate::unmoved(&tx).map(|()| tx)) {
        Ok(tx) => tx,
        Err(trouble) => return asks.for_each(|ask| drop(ask(Err(trouble.again())))),
    };
    let mut written = Vec::new();
    let mut lost: Option<Trouble> = None;
    while asks.peek().is_some() && lost.is_none() {
        // What goes wrong inside is undone by itself; some failures, such as of the disk, undo it all.
        let done = match (tx.savepoint(), asks.next()) {
            (Ok(point), Some(ask)) => {
                let one = ask(Ok(&point));
                let keeps = one.as_ref().is_some_and(|one| one.keeps);
                written.extend(one);
                if keeps {
                    point.commit()
                } else {
                    point.finish()
                }
            }
            (Ok(_), None) => Ok(()),
            (Err(error), ask) => {
                ask.into_iter()
                    .for_each(|ask| drop(ask(Err(Trouble::Failed(error.to_string())))));
                Err(error)
            }
        };
        lost = done.err().map(Trouble::from);
    }
    let done = match &lost {
        Some(trouble) => Err(trouble.again()),
        None => tx.commit().map_err(Trouble::from),
    };
    for one in written {
        (one.tell)(done.as_ref().err().map(Trouble::again));
    }
    for ask in asks {
        ask(Err(Trouble::Failed(
            "another write took the transaction with it".into(),
        )));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::{FutureExt, join_all};

    use super::*;
    use crate::ledger::sqlite::file;

    fn put(conn: &Connection, n: i64) -> Result<(), Trouble> {
        conn.execute("INSERT INTO t VALUES (?1)", [n])?;
        Ok(())
    }

    fn all(conn: &Mutex<Connection>) -> Vec<i64> {
        let conn = locked(conn);
        let mut rows = conn.prepare("SELECT n FROM t ORDER BY n").unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn table() -> (Arc<Mutex<Connection>>, Together) {
        let conn = file::memory().unwrap_or_else(|_| panic!("memory is there"));
        conn.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT")
            .unwrap();
        let conn = Arc::new(Mutex::new(conn));
        let together = Together::start(Arc::clone(&conn)).unwrap();
        (conn, together)
    }

    #[tokio::test]
    async fn one_that_fails_takes_no_other_with_it() {
        let (conn, together) = table();
        // Nobody is written for before all have asked.
        let held = locked(&conn);
        let asks = (0..100i64).map(|n| {
            together.ask(move |conn| {
                put(conn, n)?;
                match n % 10 {
                    3 => Err(Trouble::Failed("no".into())),
                    // It is there already.
                    4 => put(conn, 0).map(|()| n),
                    _ => Ok(n),
                }
            })
        });
        let mut asks = Box::pin(join_all(asks));
        assert!((&mut asks).now_or_never().is_none());
        drop(held);
        let done = asks.await;
        let kept: Vec<i64> = (0..100).filter(|n| ![3, 4].contains(&(n % 10))).collect();
        let told: Vec<i64> = done
            .iter()
            .filter_map(|one| one.as_ref().ok().copied())
            .collect();
        assert_eq!(told, kept);
        assert_eq!(all(&conn), kept);
        assert!(matches!(&done[13], Err(Trouble::Failed(why)) if why == "no"));
        together.stop();
    }

    #[tokio::test]
    async fn one_that_takes_the_transaction_leaves_nothing_and_all_hear_of_it() {
        let (conn, together) = table();
        let held = locked(&conn);
        let asks = (0..10i64).map(|n| {
            together.ask(move |conn| {
                put(conn, n)?;
                if n == 5 {
                    // As a disk that is full does.
                    conn.execute_batch("ROLLBACK")?;
                }
                Ok(n)
            })
        });
        let mut asks = Box::pin(join_all(asks));
        assert!((&mut asks).now_or_never().is_none());
        drop(held);
        let done = asks.await;
        let told = done.iter().filter_map(|one| one.as_ref().ok().copied());
        assert_eq!(told.collect::<Vec<i64>>(), all(&conn));
        assert!(done[..6].iter().all(Result::is_err));
        assert!(together.ask(|conn| put(conn, 50)).await.is_ok());
        assert!(all(&conn).contains(&50));
        together.stop();
    }

    #[tokio::test]
    async fn a_panic_writes_nothing_and_the_next_is_written() {
        let (conn, together) = table();
        let panics = together.ask(|conn| {
            put(conn, 1)?;
            if all_of(conn) == 1 {
                panic!("it is a test that panics");
            }
            Ok(())
        });
        assert!(matches!(panics.await, Err(Trouble::Failed(_))));
        assert!(together.ask(|conn| put(conn, 2)).await.is_ok());
        assert_eq!(all(&conn), [2]);
        together.stop();
    }

    fn all_of(conn: &Connection) -> i64 {
        conn.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap()
    }
}
