//! The client over TLS, on loopback.

#![cfg(all(feature = "tls", feature = "tokio"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use halfopen_pool::Client;
use halfopen_pool::client::Used;
use halfopen_pool::connect::{
    Connect, Delivery, Destination, Socket, TcpConnector, Transport as _,
};
use halfopen_pool::error::{Error, Unsendable};
use halfopen_pool::tls::TlsConnector;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A server with a certificate for `localhost`, and who trusts it. The certificate was made for a
/// hundred years:
///
/// ```sh
/// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
///     -subj /CN=localhost -addext subjectAltName=DNS:localhost \
///     -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out certificate.pem
/// openssl x509 -in certificate.pem -outform der -out certificate.der
/// openssl pkcs8 -topk8 -nocrypt -in key.pem -outform der -out key.der
/// ```
async fn serve() -> (u16, ClientConfig) {
    serve_choosing(&[]).await
}

/// The same, with a server that chooses the first of these protocols that a client offers.
async fn serve_choosing(protocols: &[&str]) -> (u16, ClientConfig) {
    let certificate = CertificateDer::from(include_bytes!("certificate.der").as_slice());
    let key = PrivateKeyDer::try_from(include_bytes!("key.der").as_slice()).unwrap();
    let server = ServerConfig::builder().with_no_client_auth();
    let mut server = server.with_single_cert(vec![certificate.clone()], key).unwrap();
    server.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            // A connection that breaks is the client's to judge.
            tokio::spawn(async move { answer(&acceptor, stream).await.ok() });
        }
    });
    (port, trusting(certificate))
}

fn trusting(certificate: CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

async fn answer(acceptor: &TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    #[cfg(feature = "http2")]
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let mut connection = h2::server::handshake(stream).await.map_err(io::Error::other)?;
        while let Some(request) = connection.accept().await {
            let (_, mut respond) = request.map_err(io::Error::other)?;
            let head = http::Response::new(());
            let mut body = respond.send_response(head, false).map_err(io::Error::other)?;
            body.send_data("paid by h2".into(), true).map_err(io::Error::other)?;
        }
        return Ok(());
    }
    let mut buffer = [0; 4_096];
    while stream.read(&mut buffer).await? > 0 {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npaid").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_secure_connection_is_kept_and_used_again() {
    let (port, trust) = serve().await;
    let client = Client::builder().tls(trust).build().unwrap();
    let uri = format!("https://localhost:{port}/pay");
    for reused in [false, true] {
        let response = client.post(uri.as_str(), "10 won").await.unwrap();
        let used = *response.extensions().get::<Used>().unwrap();
        assert_eq!((used.connection.0, used.quiet.is_some()), (0, reused));
        assert_eq!(used.peer.unwrap().port(), port);
        assert_eq!(response.into_body().bytes().await.unwrap(), "paid");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_no_connection() {
    let (port, trust) = serve().await;
    let client = Client::builder().tls(trust).build().unwrap();
    let error = client.get(format!("https://127.0.0.1:{port}/").as_str()).await.unwrap_err();
    let Error::NotConnected { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains("certificate"), "{source}");
}

#[tokio::test]
async fn without_a_configuration_nothing_secure_is_sent_in_the_clear() {
    let client = Client::builder().build().unwrap();
    let error = client.get("https://localhost/").await.unwrap_err();
    assert!(matches!(error, Error::Unsendable(Unsendable::NoTls)), "{error}");
}

/// Connects to a kernel that knows that all was acknowledged.
#[derive(Debug)]
struct Acknowledged;

impl Connect for Acknowledged {
    type Transport = Socket;

    async fn connect(&self, to: &Destination) -> io::Result<Socket> {
        let socket = TcpConnector.connect(to).await?;
        Ok(socket.with_delivery(|_| Some(Delivery::Acknowledged)))
    }
}

#[tokio::test]
async fn what_the_kernel_tells_of_a_socket_is_told_of_the_secure_connection_over_it() {
    let (port, trust) = serve().await;
    let connector = TlsConnector::new(Acknowledged, Arc::new(trust));
    let to = Destination { tls: true, host: "localhost".into(), port };
    let secure = connector.connect(&to).await.unwrap();
    assert_eq!(secure.delivery(), Some(Delivery::Acknowledged));
    assert_eq!(secure.peer_addr().unwrap().port(), port);
}

#[tokio::test]
async fn who_asks_for_no_tls_gets_none() {
    let (port, trust) = serve().await;
    let connector = TlsConnector::new(Acknowledged, Arc::new(trust));
    let to = Destination { tls: false, host: "127.0.0.1".into(), port };
    let plain = connector.connect(&to).await.unwrap();
    assert_eq!(plain.peer_addr().unwrap().port(), port, "a handshake would have failed");
}

/// Sends two requests at once, and one after them. Returns the answers and the connections.
#[cfg(feature = "http2")]
async fn answers(protocols: &[&str]) -> (Vec<bytes::Bytes>, std::collections::BTreeSet<u64>) {
    let (port, mut trust) = serve_choosing(protocols).await;
    trust.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = Client::builder().tls(trust).build().unwrap();
    let uri = format!("https://localhost:{port}/pay");
    let ask = || async {
        let response = client.post(uri.as_str(), "10 won").await.unwrap();
        let used = response.extensions().get::<Used>().unwrap().connection.0;
        (response.into_body().bytes().await.unwrap(), used)
    };
    let (one, other) = tokio::join!(ask(), ask());
    [one, other, ask().await].into_iter().unzip()
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn a_server_chooses_what_is_spoken() {
    let (bodies, connections) = answers(&["h2", "http/1.1"]).await;
    assert_eq!((bodies, connections.len()), (vec!["paid by h2".into(); 3], 1));
    for protocols in [&["http/1.1"][..], &[]] {
        let (bodies, connections) = answers(protocols).await;
        assert_eq!((bodies, connections.len()), (vec!["paid".into(); 3], 2));
    }
}
