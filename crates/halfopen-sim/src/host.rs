//! A host of a world, and the programs that run on it.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use halfopen_core::hop::Side;
use halfopen_core::tcp;
use halfopen_core::time::Instant;
use tokio::task::{AbortHandle, JoinHandle};

use crate::net::{SocketTable, Target, TcpListener, TcpStream, ToSocketAddrs, target};
use crate::stage::Shared;
use crate::trace::Panic;
use crate::world::PathId;

/// What a host is to be: its name, its addresses and where it stands.
#[derive(Clone, Debug)]
pub struct HostConfig {
    pub(crate) name: String,
    pub(crate) ends: Vec<(PathId, Side)>,
    pub(crate) routes: BTreeMap<IpAddr, PathId>,
    pub(crate) tcp: tcp::Config,
}

impl HostConfig {
    /// Returns a host with Linux's TCP that stands nowhere yet. Programs call it by `name`.
    ///
    /// The loopback addresses need not be given: every host has them.
    #[must_use]
    pub fn new(name: impl Into<String>, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let tcp = tcp::Config::linux(addresses.into_iter().collect());
        Self { name: name.into(), ends: Vec::new(), routes: BTreeMap::new(), tcp }
    }

    /// Puts the host at the inside end of a path. The first path that a host is put at is its
    /// default route.
    #[must_use]
    pub fn inside(mut self, path: PathId) -> Self {
        self.ends.push((path, Side::Inside));
        self
    }

    /// Puts the host at the outside end of a path.
    #[must_use]
    pub fn outside(mut self, path: PathId) -> Self {
        self.ends.push((path, Side::Outside));
        self
    }

    /// Sends packets for `address` into `path`, at which the host must stand.
    ///
    /// Without it, a packet goes to the host itself or a neighbour at the same end, else to a path
    /// with a host of that address at its far end, else to the default route.
    #[must_use]
    pub fn route(mut self, address: IpAddr, path: PathId) -> Self {
        self.routes.insert(address, path);
        self
    }

    /// Changes the settings of the host's TCP.
    #[must_use]
    pub fn tcp(mut self, change: impl FnOnce(&mut tcp::Config)) -> Self {
        change(&mut self.tcp);
        self
    }
}

tokio::task_local! {
    static CURRENT: Host;
}

/// A host of a [`World`](crate::world::World). Clones are the same host.
#[derive(Clone)]
pub struct Host {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    name: Arc<str>,
    runtime: tokio::runtime::Handle,
}

impl Host {
    pub(crate) fn new(
        shared: Arc<Shared>,
        index: usize,
        name: &str,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self { shared, index, name: name.into(), runtime }
    }

    /// Runs a program on the host. It starts when the world next runs, and ends with the world at
    /// the latest.
    ///
    /// If it panics, the world ends with [`Error::Panicked`](crate::world::Error::Panicked).
    pub fn spawn<F>(&self, program: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let watched = Watched { host: self.clone(), program: Box::pin(program) };
        let task = self.runtime.spawn(self.scope(watched));
        self.shared.lock().host_mut(self.index).started(task.abort_handle());
        task
    }

    /// Ends the host's programs where they stand, as `kill -9` does: all tasks that
    /// [`Host::spawn`] and [`spawn`] started on it. Its sockets are closed as the kernel closes a
    /// dead process's: with a FIN, or with a reset if bytes were not read. New programs can be
    /// spawned at once.
    ///
    /// A program that kills its own host ends when it next waits. A program that
    /// [`World::run_on`](crate::world::World::run_on) runs and a task of plain `tokio::spawn` are
    /// nobody's on the host: they live on and find their sockets closed. What a task does when it
    /// is dropped still happens, though a dead process runs no destructors.
    pub fn kill(&self) {
        let (mut stage, now) = self.shared.lock_now();
        stage.close_all(now, self.index);
        let tasks = stage.host_mut(self.index).take_programs();
        drop(stage);
        tasks.iter().for_each(AbortHandle::abort);
    }

    /// Cuts the host's power and restores it: its programs end as by [`kill`](Self::kill), but its
    /// sockets vanish without a packet. A peer that sends to one is answered with a reset, as Linux
    /// answers for a connection that it does not know. Starting up takes no time.
    pub fn power_cut(&self) {
        let (mut stage, now) = self.shared.lock_now();
        stage.lose_power(now, self.index);
        let tasks = stage.host_mut(self.index).take_programs();
        drop(stage);
        tasks.iter().for_each(AbortHandle::abort);
    }

    /// Returns `program` with this host as the place where its sockets are made.
    pub fn scope<F: Future>(&self, program: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), program)
    }

    /// Connects from this host, wherever the caller runs; see [`TcpStream::connect`].
    pub async fn connect(&self, address: impl ToSocketAddrs) -> io::Result<TcpStream> {
        TcpStream::connect_from(self, address).await
    }

    /// Listens on this host, wherever the caller runs; see [`TcpListener::bind`].
    #[expect(clippy::unused_async, reason = "tokio's bind is async")]
    pub async fn bind(&self, address: impl ToSocketAddrs) -> io::Result<TcpListener> {
        self.listen(address)
    }

    /// Listens on this host, also before the world runs; else as [`bind`](Self::bind), which does
    /// not wait either.
    pub fn listen(&self, address: impl ToSocketAddrs) -> io::Result<TcpListener> {
        TcpListener::bind_at(self, address)
    }

    /// Returns the addresses that `address` stands for, as this world resolves names.
    pub fn resolve(&self, address: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
        match target(&address)? {
            Target::Addresses(addresses) => Ok(addresses),
            Target::Name(name, port) => self.resolve_name(&name, port),
        }
    }

    /// Returns the world's time, in nanoseconds, which tokio's clock tells in the same way.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.lock_now().1
    }

    /// Returns the host's sockets as they are now.
    #[must_use]
    pub fn sockets(&self) -> SocketTable {
        let (stage, at) = self.shared.lock_now();
        SocketTable { at, rows: stage.host(self.index).tcp.sockets().collect() }
    }

    /// Returns the host's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the host's addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.shared.lock().host(self.index).addresses().to_vec()
    }

    /// Returns the host on which the caller runs.
    ///
    /// # Panics
    ///
    /// Panics if the caller is not a program that was started by [`Host::spawn`],
    /// [`World::run_on`](crate::world::World::run_on) or [`spawn`]: a task that `tokio::spawn`
    /// started has no host.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        CURRENT.try_with(Self::clone).expect(
            "no host here: a task of plain `tokio::spawn` does not inherit its spawner's host; use \
             `halfopen_sim::spawn`, or `Host::connect` and `Host::bind`",
        )
    }

    fn resolve_name(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let stage = self.shared.lock();
        let addresses = stage.resolve(name).ok_or_else(|| {
            let text = format!("no host of the world is called {name}");
            io::Error::new(io::ErrorKind::NotFound, text)
        })?;
        Ok(addresses.iter().map(|&address| SocketAddr::new(address, port)).collect())
    }

    fn report_panic(&self, payload: &(dyn Any + Send)) {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        let message = text.unwrap_or_else(|| "a panic without a text".to_owned());
        let (mut stage, at) = self.shared.lock_now();
        stage.panicked(Panic { host: self.name.to_string(), message, at });
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.name).finish()
    }
}

/// Starts a task on the host of the caller: [`tokio::spawn`] that keeps the host.
///
/// # Panics
///
/// As [`Host::current`].
#[track_caller]
pub fn spawn<F>(program: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    Host::current().spawn(program)
}

/// A program that tells the world when it panics.
struct Watched<F> {
    host: Host,
    program: Pin<Box<F>>,
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let program = self.program.as_mut();
        catch_unwind(AssertUnwindSafe(|| program.poll(cx))).unwrap_or_else(|payload| {
            self.host.report_panic(payload.as_ref());
            resume_unwind(payload)
        })
    }
}
