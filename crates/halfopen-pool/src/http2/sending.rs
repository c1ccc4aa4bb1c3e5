//! A request on its way out, until the head of its response.

use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use halfopen_core::time::Instant;
use http::{Request, Response};
use http_body::Body as _;

use super::{Incoming, Place};
use crate::body::Body;
use crate::retry::Written;

/// A request that was begun.
pub(crate) struct Sending {
    stage: Stage,
    /// `None` once it went to the response.
    place: Option<Place>,
    /// When it began or something of it last went out.
    last_sent: Instant,
}

enum Stage {
    /// The connection carries as many as the other end allows.
    Waiting(Box<Unsent>),
    Out {
        response: ResponseFuture,
        outgoing: Option<Outgoing>,
    },
    Answered,
}

struct Unsent {
    sender: SendRequest<Bytes>,
    head: Request<()>,
    body: Body,
}

impl Sending {
    pub(super) fn new(
        sender: SendRequest<Bytes>,
        head: Request<()>,
        body: Body,
        place: Place,
    ) -> Self {
        let last_sent = place.pulse.clock.now();
        let stage = Stage::Waiting(Box::new(Unsent { sender, head, body }));
        Self { stage, place: Some(place), last_sent }
    }

    /// Moves the request on until the head of its response is there. It is not polled after that.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, h2::Error>> {
        let Some(place) = &self.place else { return Poll::Pending };
        if let Stage::Waiting(unsent) = &mut self.stage {
            ready!(place.poll(unsent.sender.current_max_send_streams(), cx));
            self.stage = unsent.send()?;
            self.last_sent = place.pulse.beat();
        }
        let Stage::Out { response, outgoing } = &mut self.stage else { return Poll::Pending };
        if let Some(sending) = outgoing {
            let (before, polled) = (sending.sent, sending.poll(cx));
            if sending.sent > before {
                self.last_sent = place.pulse.beat();
            }
            if polled.is_ready() {
                *outgoing = None;
            }
        }
        let response = ready!(Pin::new(response).poll(cx))?;
        place.pulse.beat();
        let outgoing = outgoing.take();
        self.stage = Stage::Answered;
        let Some(place) = self.place.take() else { return Poll::Pending };
        Poll::Ready(Ok(response.map(|stream| Incoming::new(stream, outgoing, place))))
    }

    /// Tells whether the other end's limit holds the request back.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting(_))
    }

    /// Returns when the request began or something of it last went out.
    pub(crate) fn last_sent(&self) -> Instant {
        self.last_sent
    }

    /// Returns how much of the request was handed to the connection.
    pub(crate) fn written(&self) -> Written {
        match &self.stage {
            Stage::Waiting(_) => Written::Nothing,
            Stage::Out { outgoing: Some(_), .. } => Written::Partly,
            Stage::Out { outgoing: None, .. } | Stage::Answered => Written::Whole,
        }
    }
}

impl Unsent {
    fn send(&mut self) -> Result<Stage, h2::Error> {
        let ends = self.body.is_end_stream();
        let head = mem::replace(&mut self.head, Request::new(()));
        let (response, stream) = self.sender.send_request(head, ends)?;
        let outgoing = (!ends).then(|| Outgoing::new(mem::take(&mut self.body), stream));
        Ok(Stage::Out { response, outgoing })
    }
}

/// The body of a request on its way out.
pub(super) struct Outgoing {
    body: Body,
    stream: SendStream<Bytes>,
    /// What was taken from the body and waits for room.
    chunk: Bytes,
    /// How many bytes went out.
    sent: u64,
}

impl Outgoing {
    fn new(body: Body, stream: SendStream<Bytes>) -> Self {
        Self { body, stream, chunk: Bytes::new(), sent: 0 }
    }

    /// Sends as much as there is room for. Ready: all of it was sent, or the other end wants no
    /// more; what that means, the response tells.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if !self.chunk.is_empty() {
                if ready!(self.poll_room(cx)).is_none() {
                    return Poll::Ready(());
                }
                let room = self.stream.capacity().min(self.chunk.len());
                let part = self.chunk.split_to(room);
                let ends = self.chunk.is_empty() && self.body.is_end_stream();
                if self.stream.send_data(part, ends).is_err() || ends {
                    return Poll::Ready(());
                }
                self.sent += room as u64;
                continue;
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.chunk = data,
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            let _told = self.stream.send_trailers(trailers);
                            return Poll::Ready(());
                        }
                    }
                },
                Some(Err(_)) => {
                    // RFC 9113 section 7: the stream is no longer needed.
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(());
                }
                None => {
                    let _told = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Waits until the other end has room for a part of the chunk. `None`: it wants no more.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.stream.reserve_capacity(self.chunk.len());
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(()))
    }
}
