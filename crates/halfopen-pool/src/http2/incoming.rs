//! The body of a response on its way in.

use core::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Frame, SizeHint};

use super::Place;
use super::sending::Outgoing;

/// A body of a response. Dropping it before its end tells the other end to stop.
pub(crate) struct Incoming {
    stream: RecvStream,
    /// What is left of the request, to a server that answers before it has read it.
    outgoing: Option<Outgoing>,
    /// Given back when the body has ended.
    place: Option<Place>,
    ended: bool,
}

impl Incoming {
    pub(super) fn new(stream: RecvStream, outgoing: Option<Outgoing>, place: Place) -> Self {
        Self { stream, outgoing, place: Some(place), ended: false }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if self.outgoing.as_mut().is_some_and(|outgoing| outgoing.poll(cx).is_ready()) {
            self.outgoing = None;
        }
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(data) = ready!(self.stream.poll_data(cx)) {
            let data = data?;
            if let Some(place) = &self.place {
                place.pulse.beat();
            }
            // The reader has it: the other end may send as much again.
            self.stream.flow_control().release_capacity(data.len())?;
            if self.stream.is_end_stream() {
                self.place = None;
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        self.ended = true;
        self.place = None;
        Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.ended || self.stream.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}
