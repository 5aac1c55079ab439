//! A progress bar on stderr, when somebody watches and the work takes longer than a second.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that shows itself only after a second.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Begins; `what` says what is counted, such as `reading`.
    pub(super) fn new(what: &str, total: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {eta} left")
            .expect("the template is ours")
            .progress_chars("=> ");
        bar.set_style(style);
        bar.set_prefix(what.to_owned());
        Self(bar)
    }

    /// Notes how far the work is.
    pub(super) fn set(&self, done: usize, total: usize) {
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
        self.show();
    }

    /// Notes one more; whoever else does so at the same time is counted too.
    pub(super) fn step(&self) {
        self.0.inc(1);
        self.show();
    }

    fn show(&self) {
        if self.0.is_hidden()
            && self.0.elapsed() > Duration::from_secs(1)
            && std::io::stderr().is_terminal()
        {
            self.0.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Prints a line above the bar.
    pub(super) fn above(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
