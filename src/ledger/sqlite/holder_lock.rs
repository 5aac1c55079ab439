//! How others learn at once that the holder of a lease has died.
//!
//! The holder keeps an operating system's lock on a file beside the ledger, for as long as it lives; the
//! kernel drops it with the process. Into that file it writes a random token, which its lease names too.
//! Process numbers would not do: containers share them, and host names as well.
//!
//! # Guarantees
//!
//! - A holder is said to be dead only when the file has the token of its lease and nobody holds the lock.
//!   A lock file that is missing, was replaced, or could never be locked says nothing: then the lease
//!   ends by its expiry.
//! - Asking disturbs nobody: askers share the lock, and only holders want it alone.
//!
//! # Caveats
//!
//! - Where locks are not seen by every process (some network file systems), a live holder would be taken
//!   for dead. The ledger does not work there in any case.
//! - The lock files stay. Deleting one while no apply runs is harmless.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::model::Name;

/// Where the holders of one project's lease lock.
pub(super) struct LockFile(PathBuf);

/// Our lock, for as long as it is not dropped.
pub(super) struct HolderLock {
    file: File,
    /// What our lease names.
    pub(super) token: String,
}

impl LockFile {
    /// The lock file of a project, such as `ledger.db.apply-platform.lock`.
    pub(super) fn beside(ledger: &Path, project: &Name) -> Self {
        // A name may have 256 bytes, and then it is none for a file.
        let project = match project.as_str() {
            short if short.len() <= 128 => short.to_owned(),
            long => Sha256::digest(long)[..16]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        };
        let mut name = ledger.file_name().unwrap_or_default().to_owned();
        name.push(format!(".apply-{project}.lock"));
        Self(ledger.with_file_name(name))
    }

    /// Takes the lock, if nobody has it and it can be had here at all.
    pub(super) fn take(&self) -> Option<HolderLock> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&self.0).ok()?;
        file.try_lock().ok()?;
        HolderLock {
            file,
            token: String::new(),
        }
        .renewed()
    }

    /// Whether whoever wrote this token has died.
    pub(super) fn is_orphaned(&self, token: &str) -> bool {
        let Ok(file) = File::open(&self.0) else {
            return false;
        };
        file.try_lock_shared().is_ok() && fs::read(&self.0).is_ok_and(|t| t == token.as_bytes())
    }
}

impl HolderLock {
    /// The same lock for another lease.
    pub(super) fn renewed(mut self) -> Option<Self> {
        self.token = uuid::Uuid::new_v4().to_string();
        self.file.set_len(0).ok()?;
        self.file.rewind().ok()?;
        self.file.write_all(self.token.as_bytes()).ok()?;
        Some(self)
    }
}
