//! `halfopen billing payment`: the payment module at a port.

use core::task::{Context, Poll};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use halfopen_billing::payment::Module;
use halfopen_billing::payment::book::Book;
use halfopen_billing::payment::event::{Event, EventKind};
use halfopen_billing::payment::settings::{Ending as Digits, Settings, Slowness};
use halfopen_core::rng::Rng;
use tokio::net::{TcpListener, TcpStream};

use super::database::{self, Opened};
use super::failure::BillingFailure;
use super::signal::Ending;
use crate::Outcome;
use crate::cli::billing::Payment;
use crate::output;

pub(super) async fn run(order: &Payment) -> Result<Outcome, BillingFailure> {
    let settings = settings(order);
    settings.check()?;
    if order.init {
        database::create_if_missing(&order.database).await?;
    }
    match database::open(&order.database).await? {
        Opened::Sqlite(book) => serve(order, settings, book).await,
        Opened::Postgres(book) => serve(order, settings, *book).await,
    }
}

fn settings(order: &Payment) -> Settings {
    let mut settings = Settings::default();
    settings.keep_alive = order.keep_alive.0;
    settings.hint = order.hint;
    settings.requests_per_connection = order.requests_per_connection;
    settings.head_timeout = order.head_timeout;
    settings.body_timeout = order.body_timeout;
    settings.body_max = order.body_max;
    settings.connections_max = order.connections_max;
    settings.drain_timeout = order.drain_timeout;
    settings.work = order.slow_work.unwrap_or(Slowness::NONE);
    settings.answer = order.slow_answers.unwrap_or(Slowness::NONE);
    settings.declines = order.decline.map(Digits);
    settings.date = true;
    settings
}

async fn serve(
    order: &Payment,
    settings: Settings,
    book: impl Book,
) -> Result<Outcome, BillingFailure> {
    let failed = |error| BillingFailure::Listen { address: order.listen.clone(), error };
    let listener = TcpListener::bind(&order.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut ending = Ending::listen().map_err(BillingFailure::Runtime)?;
    let module = Module::new(book, settings, Rng::new(order.seed), Arc::new(tell))?;
    output::print(&format!("http://{address}\n"))?;
    tracing::info!(%address, database = %order.database, "listening");

    let accept = move |cx: &mut Context<'_>| accept(&listener, cx);
    let served = async {
        module.serve(accept).await;
        Outcome::Clear
    };
    let asked = async {
        ending.asked().await;
        tracing::info!("draining; ask again to cut requests off");
        module.drain();
        ending.asked().await;
        Outcome::Found
    };
    let outcome = tokio::select! {
        biased;
        outcome = served => outcome,
        outcome = asked => outcome,
    };
    tracing::info!("ended");
    Ok(outcome)
}

fn accept(
    listener: &TcpListener,
    cx: &mut Context<'_>,
) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
    listener.poll_accept(cx).map_ok(|(stream, peer)| {
        // An answer is one write; who cannot be spared the wait is served all the same.
        drop(stream.set_nodelay(true));
        (stream, peer)
    })
}

fn tell(event: Event) {
    let Event { connection, peer, kind, .. } = event;
    match kind {
        EventKind::Accepted => tracing::debug!(connection, %peer, "accepted"),
        EventKind::Received { method, path, key } => {
            let key = key.as_ref().map(tracing::field::display);
            tracing::debug!(connection, %method, path, key, "received");
        }
        EventKind::Answered { status, replayed, after } => {
            let status = status.as_u16();
            tracing::info!(connection, status, replayed, after = ?after, "answered");
        }
        EventKind::Failed { error } => tracing::error!(connection, error, "no payment"),
        EventKind::Closed { why, requests } => {
            tracing::debug!(connection, %peer, why = ?why, requests, "closed");
        }
        _ => {}
    }
}
