//! What is learnt from a request whose sender gave it up before a response began: whoever is less
//! patient than the read timeout would else never find out that the path is silent.
//!
//! A sender may go away for any reason, so that his patience says nothing. What does is that
//! nothing came, and that TCP knows of a [silence](Delivery::is_silence).

use crate::connect::Delivery;
use crate::stream::Gauge;

/// Watches a connection from a request to its response. If it is dropped between the two, and the
/// connection is silent, it acts.
pub(super) struct Vigil<'a, F: FnOnce()> {
    gauge: &'a Gauge,
    reads: u32,
    /// `None` when it is over.
    on_silence: Option<F>,
}

impl<'a, F: FnOnce()> Vigil<'a, F> {
    /// Begins to watch a connection.
    pub(super) fn begin(gauge: &'a Gauge, on_silence: F) -> Self {
        Self { gauge, reads: gauge.reads(), on_silence: Some(on_silence) }
    }

    /// Ends the watch: whoever waited knows what came of it.
    pub(super) fn end(mut self) {
        self.on_silence = None;
    }
}

impl<F: FnOnce()> Drop for Vigil<'_, F> {
    fn drop(&mut self) {
        if let Some(on_silence) = self.on_silence.take()
            && self.gauge.reads() == self.reads
            && self.gauge.delivery().is_some_and(Delivery::is_silence)
        {
            on_silence();
        }
    }
}
