//! An HTTP client and server that know nothing of the world they run in.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;

use halfopen_core::idle::OnOrphan;
use halfopen_sim::net::{TcpListener, TcpStream};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::sleep;

use crate::{Scene, seconds};

/// Serves HTTP/1.1 on port 8080: the request's body in capitals.
async fn serve() {
    let listener = TcpListener::bind("0.0.0.0:8080").await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let reply = Bytes::from(body.to_ascii_uppercase());
                Ok::<_, Infallible>(Response::new(Full::new(reply)))
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // A connection that breaks is the client's to judge.
            let _broken = connection.await;
        });
    }
}

async fn connect() -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect("server:8080").await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn post(sender: &mut SendRequest<Full<Bytes>>) -> hyper::Result<(StatusCode, Bytes)> {
    let request = Request::post("/charge").header("host", "server");
    let request = request.body(Full::from("ten won")).unwrap();
    let response = sender.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

#[test]
fn hyper_meets_the_reset_of_a_gateway_that_forgot_its_kept_alive_connection() {
    let Scene { mut world, client, server, .. } = Scene::new(OnOrphan::Reset);
    server.spawn(serve());
    let error = world.run_on(&client, async {
        let mut sender = connect().await;
        assert_eq!(post(&mut sender).await.unwrap(), (StatusCode::OK, Bytes::from("TEN WON")));
        sleep(seconds(349)).await;
        assert_eq!(post(&mut sender).await.unwrap().0, StatusCode::OK);
        sleep(seconds(351)).await;
        assert!(!sender.is_closed(), "nothing told the client");
        let error = post(&mut sender).await.unwrap_err();
        assert_eq!(post(&mut connect().await).await.unwrap().0, StatusCode::OK);
        error
    });
    let error = error.unwrap();
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>()).unwrap();
    assert_eq!(cause.kind(), io::ErrorKind::ConnectionReset, "{error:?}");
}
