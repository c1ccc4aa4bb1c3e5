//! How a connection is opened, for a request or for the shelf.

use std::io;
use std::sync::Arc;

use halfopen_core::time::{Duration, Instant};

use super::dialer::Dialled;
use super::handover::{Won, race};
use super::kept::Kept;
use super::lease::{Lease, Turn};
use super::origin::Origin;
use super::pool::took;
use crate::connect::{Protocol, Transport};
use crate::error::Error;
use crate::event::What;
use crate::http1::Connection;
use crate::name::ConnectionId;
use crate::retry::Objection;
use crate::stream::Stream;

impl Turn {
    /// Opens a connection for a request that waited for its turn. If it `reuses`, it takes one that
    /// is put back meanwhile.
    pub(super) async fn open(
        self,
        origin: &Arc<Origin>,
        waited: Duration,
        reuses: bool,
    ) -> Result<Lease<Kept>, Error> {
        let shared = Arc::clone(self.shared());
        let since = shared.with(|state, now| {
            let in_use = state.turns.in_use(self.path());
            state.shelf.make_room(now, self.path(), in_use);
            now
        });
        let dialling = shared.dialer.open(origin, since);
        let (dialled, mut turn) = if reuses && shared.hands_over() {
            match race(self, dialling, since, waited).await {
                Won::Dialled(dialled, turn) => (dialled, turn),
                Won::Idle(lease) => return Ok(lease),
            }
        } else {
            (dialling.await, self)
        };
        match turn.establish(dialled, since, Some(waited)).await {
            Ok((connection, id)) => {
                let born = shared.clock.now();
                Ok(Lease { connection, turn, id, born, quiet: None })
            }
            Err((took, source)) => {
                Err(Error::NotConnected { path: turn.path().clone(), took, source })
            }
        }
    }

    /// Opens a connection that no request waits for, and puts it on the shelf.
    pub(super) async fn stock(mut self, dialled: Dialled, since: Instant) {
        let Ok((connection, id)) = self.establish(dialled, since, None).await else { return };
        match connection {
            Kept::Http1(mut connection) => {
                if connection.rest() {
                    self.shelve(Kept::Http1(connection), id);
                } else {
                    connection.close();
                }
            }
            #[cfg(feature = "http2")]
            Kept::Http2(connection) => self.shelve(Kept::Http2(connection), id),
        }
    }

    /// Makes a connection of a transport and tells so; or that there is none, how long it took to
    /// find out, and why. `waited`: the request that it is for, if there is one, did for its turn.
    async fn establish(
        &mut self,
        dialled: Dialled,
        since: Instant,
        waited: Option<Duration>,
    ) -> Result<(Kept, ConnectionId), (Duration, io::Error)> {
        let opened = match dialled {
            Ok((transport, protocol)) => self.speak(transport, protocol).await,
            Err(error) => Err(error),
        };
        let (shared, path) = (Arc::clone(self.shared()), self.path().clone());
        match opened {
            Ok((connection, id)) => {
                shared.with(|state, now| {
                    let took = took(now, since);
                    state.tell(now, &path, || What::Opened { id, took });
                    if let Some(waited) = waited {
                        let leased = What::Leased { id, reused_after: None, waited };
                        state.tell(now, &path, || leased);
                    }
                });
                self.holds = Some(id);
                Ok((connection, id))
            }
            Err(source) => {
                let took = shared.learn_with(|state, now, wall| {
                    let took = took(now, since);
                    let error = source.to_string();
                    state.tell(now, &path, || What::NotOpened { took, error });
                    if waited.is_some() {
                        // It would be tried again in vain, and for as long once more.
                        let why = Objection::NewConnection;
                        state.tell(now, &path, || What::GivenUp { id: None, why });
                    }
                    if source.kind() == io::ErrorKind::ConnectionRefused {
                        state.refused(now, wall, &path);
                    }
                    took
                });
                Err((took, source))
            }
        }
    }

    async fn speak(
        &self,
        transport: Box<dyn Transport>,
        protocol: Protocol,
    ) -> io::Result<(Kept, ConnectionId)> {
        let shared = self.shared();
        let policy = &shared.policy;
        if policy.keepalive.is_some() {
            transport.set_keepalive(policy.keepalive)?;
        }
        if policy.user_timeout.is_some() {
            transport.set_user_timeout(policy.user_timeout)?;
        }
        let id = shared.with(|state, _| state.next_id());
        let tap = shared.wire_log.as_ref().map(|log| {
            log.opened(shared.clock.now(), id, &*transport);
            log.tap(id)
        });
        let (stream, gauge) = Stream::new(transport, shared.clock.clone(), tap);
        let connection = match protocol {
            Protocol::Http1 => {
                Kept::Http1(Connection::new(stream, gauge).await.map_err(io::Error::other)?)
            }
            #[cfg(feature = "http2")]
            Protocol::Http2 => {
                Kept::Http2(super::multiplex::speak(shared, id, stream, gauge).await?)
            }
        };
        Ok((connection, id))
    }
}
