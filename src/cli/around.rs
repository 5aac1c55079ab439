//! Channels around each call of which something is done.

use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::channel::{
    Channel, Job, Letter, Parcel, RecallRules, Receipt, Repeat, Sent, To, UploadError,
};
use crate::engine::polls::Rhythm;
use crate::engine::quota::Quota;
use crate::engine::runner::Channels;
use crate::engine::{ApiError, Pending};
use crate::model::{AppId, Name};

/// A call of a channel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    /// It sends.
    Send(&'a Parcel),
    /// It asks what became of something.
    Ask,
    /// It takes something back.
    Recall,
    /// It uploads an image.
    Upload,
}

/// What is done around a call.
pub(super) trait Around: Send + Sync + 'static {
    /// Makes the call, once.
    fn around<'a, R, E>(
        &'a self,
        step: Step<'a>,
        call: Pending<'a, Result<R, E>>,
    ) -> Pending<'a, Result<R, E>>
    where
        R: Send + 'a,
        E: AsRef<ApiError> + Send + 'a;
}

/// The same channels, with something around their calls.
pub(super) fn channels<A: Around>(channels: &Channels, around: impl Fn(&Name) -> A) -> Channels {
    let surrounded = |(provider, inner): (&Name, &Arc<dyn Channel>)| {
        let surrounded: Arc<dyn Channel> = Arc::new(Surrounded {
            inner: Arc::clone(inner),
            around: around(provider),
        });
        (provider.clone(), surrounded)
    };
    channels.iter().map(surrounded).collect()
}

struct Surrounded<A> {
    inner: Arc<dyn Channel>,
    around: A,
}

impl<A: Around> Channel for Surrounded<A> {
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
        let call = self.inner.send(parcel);
        self.around.around(Step::Send(parcel), call)
    }

    fn receipt<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<Receipt, ApiError>> {
        let call = self.inner.receipt(parcel, message);
        self.around.around(Step::Ask, call)
    }

    fn recall<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<(), ApiError>> {
        let call = self.inner.recall(parcel, message);
        self.around.around(Step::Recall, call)
    }

    fn recalls(&self, parcel: &Parcel) -> Result<RecallRules, String> {
        self.inner.recalls(parcel)
    }

    fn quota(&self, parcel: &Parcel, job: Job, now: Timestamp) -> Quota {
        self.inner.quota(parcel, job, now)
    }

    fn upload<'a>(&'a self, image: &'a [u8]) -> Pending<'a, Result<String, UploadError>> {
        let call = self.inner.upload(image);
        self.around.around(Step::Upload, call)
    }

    fn timeout_ms(&self) -> u64 {
        self.inner.timeout_ms()
    }
}
