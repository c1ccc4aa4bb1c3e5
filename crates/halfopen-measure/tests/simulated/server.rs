//! Servers, well behaved and not.

use core::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Duration;
use halfopen_sim::host::Host;
use halfopen_sim::net::TcpStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// An HTTP server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    /// For how long it keeps an idle connection.
    pub(crate) keeps: Option<Duration>,
    /// Whether it ends one with a reset.
    pub(crate) resets: bool,
    pub(crate) manner: Manner,
    /// When its TCP probes connections.
    pub(crate) probes: Option<Keepalive>,
    /// When it is killed and started again.
    pub(crate) restarts: Option<Duration>,
}

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Answers,
    /// It does not listen.
    Absent,
    /// It resets what it accepts.
    Resets,
    /// It closes after each answer, and does not say so.
    ClosesAfter,
    /// It speaks another protocol.
    Foreign,
    /// It resets each connection while it has so many.
    Limits(u32),
    /// Its answers take this long, but for the first of a connection.
    Slow(Duration),
}

impl Default for Server {
    fn default() -> Self {
        Self { keeps: None, resets: false, manner: Manner::Answers, probes: None, restarts: None }
    }
}

impl Server {
    pub(crate) fn start(self, host: &Host) {
        if self.manner == Manner::Absent {
            return;
        }
        host.spawn(self.listen(host.clone()));
    }

    async fn listen(self, host: Host) {
        let accepted = Arc::new(AtomicU32::new(0));
        let serve = |host: &Host| {
            let listener = host.listen("0.0.0.0:80").unwrap();
            let (accepted, spawner) = (Arc::clone(&accepted), host.clone());
            host.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let number = accepted.fetch_add(1, Ordering::Relaxed);
                    let accepted = Arc::clone(&accepted);
                    drop(spawner.spawn(async move {
                        self.serve(stream, number).await;
                        accepted.fetch_sub(1, Ordering::Relaxed);
                    }));
                }
            })
        };
        drop(serve(&host));
        if let Some(restarts) = self.restarts {
            // A task of nobody's survives the host's end.
            let host = host.clone();
            drop(tokio::spawn(async move {
                tokio::time::sleep(restarts).await;
                host.power_cut();
                let fresh = Self { restarts: None, ..self };
                drop(host.spawn(fresh.again(host.clone())));
            }));
        }
        pending::<()>().await;
    }

    async fn again(self, host: Host) {
        let listener = host.listen("0.0.0.0:80").unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            drop(host.spawn(self.serve(stream, 0)));
        }
    }

    async fn serve(self, mut stream: TcpStream, number: u32) {
        stream.set_keepalive(self.probes).unwrap();
        match self.manner {
            Manner::Resets => return drop(stream.abort()),
            Manner::Limits(most) if number >= most => return drop(stream.abort()),
            Manner::Foreign => {
                drop(stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await);
                return pending().await;
            }
            Manner::Answers
            | Manner::Absent
            | Manner::ClosesAfter
            | Manner::Limits(_)
            | Manner::Slow(_) => {}
        }
        let (mut came, mut room, mut answers) = (Vec::new(), [0; 1_024], 0);
        loop {
            let read = tokio::select! {
                biased;
                read = stream.read(&mut room) => read,
                () = sleep(self.keeps) => {
                    return if self.resets { drop(stream.abort()) } else { drop(stream) };
                }
            };
            let Ok(1..) = read else { return };
            came.extend_from_slice(&room[..read.unwrap_or(0)]);
            if !came.ends_with(b"\r\n\r\n") {
                continue;
            }
            came.clear();
            if let Manner::Slow(by) = self.manner
                && answers > 0
            {
                tokio::time::sleep(by).await;
            }
            answers += 1;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            if stream.write_all(answer).await.is_err() || self.manner == Manner::ClosesAfter {
                return;
            }
        }
    }
}

async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => pending().await,
    }
}
