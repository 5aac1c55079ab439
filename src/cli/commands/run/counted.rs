//! Clients of vendors whose calls are counted.

use std::sync::Arc;
use std::time::Instant;

use super::endpoints::Watched;
use crate::cli::around::{self, Around, Step};
use crate::engine::directory::{Directory, Sighting};
use crate::engine::people::Directories;
use crate::engine::runner::Channels;
use crate::engine::{ApiError, Pending};
use crate::model::group::Recipient;
use crate::model::{AppId, Name};

/// Who counts the calls of a provider.
struct Counter {
    provider: Name,
    watched: Arc<Watched>,
}

/// Counts the calls of channels.
pub(super) fn channels(channels: &Channels, watched: &Arc<Watched>) -> Channels {
    around::channels(channels, |provider| Counter::of(provider, watched))
}

/// Counts the calls of directories.
pub(super) fn directories(directories: &Directories, watched: &Arc<Watched>) -> Directories {
    let counted = |(provider, inner): (&Name, &Arc<dyn Directory>)| {
        let counted: Arc<dyn Directory> = Arc::new(Counted {
            inner: Arc::clone(inner),
            counter: Counter::of(provider, watched),
        });
        (provider.clone(), counted)
    };
    directories.iter().map(counted).collect()
}

impl Counter {
    fn of(provider: &Name, watched: &Arc<Watched>) -> Self {
        Self {
            provider: provider.clone(),
            watched: Arc::clone(watched),
        }
    }

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

impl Around for Counter {
    fn around<'a, R, E>(
        &'a self,
        step: Step<'a>,
        call: Pending<'a, Result<R, E>>,
    ) -> Pending<'a, Result<R, E>>
    where
        R: Send + 'a,
        E: AsRef<ApiError> + Send + 'a,
    {
        let operation = match step {
            Step::Send(parcel) => parcel.operation.as_str(),
            Step::Ask => "receipt",
            Step::Recall => "recall",
            Step::Upload => "upload",
        };
        Box::pin(self.count(operation, call))
    }
}

/// A directory with who counts.
struct Counted {
    inner: Arc<dyn Directory>,
    counter: Counter,
}

impl Directory for Counted {
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
        let call = self.inner.look_up(recipients);
        Box::pin(self.counter.count("look_up", call))
    }
}
