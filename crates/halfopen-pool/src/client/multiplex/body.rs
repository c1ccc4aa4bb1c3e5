//! The body of a response that shares its connection.

use core::task::{Context, Poll};
use std::sync::Arc;

use bytes::Bytes;
use halfopen_core::time::Instant;
use http_body::{Frame, SizeHint};

use super::Session;
use crate::client::failure::{self, Failed};
use crate::client::pool::Shared;
use crate::clock::Alarm;
use crate::error::{Broken, Error};
use crate::event::What;
use crate::http2::Incoming;
use crate::idle::WireIdle;
use crate::name::PathName;
use crate::retry::{Objection, Processed, Written};

/// A body, and the session that brings it.
pub(in crate::client) struct SharedBody {
    incoming: Incoming,
    /// `None` once the body has been read, or has failed.
    session: Option<Arc<Session>>,
    quiet: Option<WireIdle>,
    retries: u32,
    shared: Arc<Shared>,
    path: PathName,
    alarm: Alarm,
    /// Until when the next piece is waited for, if it is.
    deadline: Option<Instant>,
}

impl SharedBody {
    pub(super) fn new(
        incoming: Incoming,
        session: Arc<Session>,
        quiet: Option<WireIdle>,
        retries: u32,
        shared: Arc<Shared>,
        path: PathName,
    ) -> Self {
        let session = (!incoming.is_end_stream()).then_some(session);
        let (alarm, deadline) = (Alarm::default(), None);
        Self { incoming, session, quiet, retries, shared, path, alarm, deadline }
    }

    pub(in crate::client) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = match self.incoming.poll_frame(cx) {
            Poll::Ready(polled) => polled,
            Poll::Pending if self.poll_patience(cx).is_ready() => {
                return Poll::Ready(self.fail(Failed::silent(Written::Whole)).map(Err));
            }
            Poll::Pending => return Poll::Pending,
        };
        // Between pieces the reader may take its time: patience begins when it asks.
        self.deadline = None;
        let error = match polled {
            Some(Err(error)) => error,
            Some(Ok(frame)) => {
                if self.incoming.is_end_stream() {
                    self.session = None;
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            None => {
                self.session = None;
                return Poll::Ready(None);
            }
        };
        Poll::Ready(self.fail(failure::of_http2_body(error)).map(Err))
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.shared.policy.timeouts.read;
        let Some(patience) = patience.filter(|_| self.session.is_some()) else {
            return Poll::Pending;
        };
        let clock = &self.shared.clock;
        let deadline = *self.deadline.get_or_insert_with(|| clock.now() + patience);
        self.alarm.poll_until(deadline, clock, cx)
    }

    fn fail(&mut self, failed: Failed) -> Option<Error> {
        let session = self.session.take()?;
        let Failed { failure, source, .. } = failed;
        let (path, id, quiet) = (self.path.clone(), session.id, self.quiet);
        let (processed, objection) = (Processed::Maybe, Objection::Answered);
        self.shared.with(|state, now| {
            state.tell(now, &path, || What::Died { id, failure, quiet, processed });
            state.tell(now, &path, || What::GivenUp { id: Some(id), why: objection });
        });
        let retries = self.retries;
        let broken =
            Broken { path, connection: id, quiet, failure, processed, retries, objection, source };
        Some(Error::Broken(Box::new(broken)))
    }

    pub(in crate::client) fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub(in crate::client) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
