//! Clients of vendors whose calls are counted.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::endpoints::Watched;
use crate::engine::channel::{
    Channel, Job, Letter, Parcel, RecallRules, Receipt, Repeat, Sent, To, UploadError,
};
use crate::engine::directory::{Directory, Sighting};
use crate::engine::people::Directories;
use crate::engine::polls::Rhythm;
use crate::engine::quota::Quota;
use crate::engine::runner::Channels;
use crate::engine::{ApiError, Pending};
use crate::model::group::Recipient;
use crate::model::{AppId, Name};

/// A client of a vendor with who counts.
struct Counted<T: ?Sized> {
    inner: Arc<T>,
    provider: Name,
    watched: Arc<Watched>,
}

/// Counts the calls of channels.
pub(super) fn channels(channels: &Channels, watched: &Arc<Watched>) -> Channels {
    let counted = |(provider, inner): (&Name, &Arc<dyn Channel>)| {
        let counted: Arc<dyn Channel> = Arc::new(Counted {
            inner: Arc::clone(inner),
            provider: provider.clone(),
            watched: Arc::clone(watched),
        });
        (provider.clone(), counted)
    };
    channels.iter().map(counted).collect()
}

/// Counts the calls of directories.
pub(super) fn directories(directories: &Directories, watched: &Arc<Watched>) -> Directories {
    let counted = |(provider, inner): (&Name, &Arc<dyn Directory>)| {
        let counted: Arc<dyn Directory> = Arc::new(Counted {
            inner: Arc::clone(inner),
            provider: provider.clone(),
            watched: Arc::clone(watched),
        });
        (provider.clone(), counted)
    };
    directories.iter().map(counted).collect()
}

impl<T: ?Sized> Counted<T> {
    /// Makes a call and counts it; a failure says itself which one it was.
    async fn count<R, E: AsRef<ApiError>>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<R, E>>,
    ) -> Result<R, E> {
        let start = Instant::now();
        let done = call.await;
        let outcome = match done.as_ref().map_err(E::as_ref) {
            Ok(_) => "ok",
            Err(ApiError::Refused(_)) => "refused",
            Err(ApiError::Unreachable(_)) => "unreachable",
            Err(ApiError::Unknown(_)) => "unknown",
        };
        let metrics = &self.watched.metrics;
        metrics.called(&self.provider, operation, outcome, start.elapsed());
        done
    }
}

impl Channel for Counted<dyn Channel> {
    fn app(&self) -> &AppId {
        self.inner.app()
    }

    fn pack(&self, letter: &Letter, to: &[To], key: &str) -> Result<Vec<Parcel>, String> {
        self.inner.pack(letter, to, key)
    }

    fn repeats(&self, parcel: &Parcel) -> Repeat {
        self.inner.repeats(parcel)
    }

    fn rhythm(&self, parcel: &Parcel) -> Rhythm {
        self.inner.rhythm(parcel)
    }

    fn send<'a>(&'a self, parcel: &'a Parcel) -> Pending<'a, Result<Sent, ApiError>> {
        Box::pin(self.count(&parcel.operation, self.inner.send(parcel)))
    }

    fn receipt<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<Receipt, ApiError>> {
        Box::pin(self.count("receipt", self.inner.receipt(parcel, message)))
    }

    fn recall<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<(), ApiError>> {
        Box::pin(self.count("recall", self.inner.recall(parcel, message)))
    }

    fn recalls(&self, parcel: &Parcel) -> Result<RecallRules, String> {
        self.inner.recalls(parcel)
    }

    fn quota(&self, parcel: &Parcel, job: Job, now: Timestamp) -> Quota {
        self.inner.quota(parcel, job, now)
    }

    fn upload<'a>(&'a self, image: &'a [u8]) -> Pending<'a, Result<String, UploadError>> {
        Box::pin(self.count("upload", self.inner.upload(image)))
    }

    fn timeout_ms(&self) -> u64 {
        self.inner.timeout_ms()
    }
}

impl Directory for Counted<dyn Directory> {
    fn app(&self) -> &AppId {
        self.inner.app()
    }

    fn at_once(&self) -> usize {
        self.inner.at_once()
    }

    fn look_up<'a>(
        &'a self,
        recipients: &'a [Recipient],
    ) -> Pending<'a, Result<Vec<Sighting>, ApiError>> {
        Box::pin(self.count("look_up", self.inner.look_up(recipients)))
    }
}
