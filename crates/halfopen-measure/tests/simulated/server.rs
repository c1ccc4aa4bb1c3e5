//! An HTTP server.

use core::future::pending;

use halfopen_core::time::Duration;
use halfopen_sim::host::Host;
use halfopen_sim::net::TcpStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// An HTTP server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Server {
    /// For how long it keeps an idle connection.
    pub(crate) keeps: Option<Duration>,
}

impl Server {
    pub(crate) fn start(self, host: &Host) {
        let listener = host.listen("0.0.0.0:80").unwrap();
        let spawner = host.clone();
        host.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(spawner.spawn(self.serve(stream)));
            }
        });
    }

    async fn serve(self, mut stream: TcpStream) {
        let (mut came, mut room) = (Vec::new(), [0; 1_024]);
        loop {
            let read = tokio::select! {
                biased;
                read = stream.read(&mut room) => read,
                () = sleep(self.keeps) => return,
            };
            let Ok(length @ 1..) = read else { return };
            came.extend_from_slice(&room[..length]);
            if !came.ends_with(b"\r\n\r\n") {
                continue;
            }
            came.clear();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            if stream.write_all(answer).await.is_err() {
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
