//! Doing what a plan says, over real or virtual connections.
//!
//! All runs in the caller's task: each connection is a future of its own, which takes orders and
//! tells what happens. Dropping the prober's future closes every connection.

use core::future::Future;
use core::pin::pin;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use halfopen_core::time::Instant;
use halfopen_pool::connect::{Connect, Destination};
use tokio::sync::mpsc;

use crate::plan::{Action, Plan, ProbeId};
use crate::question::Question;

mod attendant;

use attendant::{Attendant, Order};

/// Carries out `plan` and returns it when it is done, or when `stop` is. `progress` is called after
/// every change with the time since the beginning. Runs within tokio, with its timers.
pub async fn run<C: Connect>(
    connect: &C,
    to: &Destination,
    question: &dyn Question,
    mut plan: Plan,
    mut progress: impl FnMut(&Plan, Instant),
    stop: impl Future<Output = ()>,
) -> Plan {
    let start = tokio::time::Instant::now();
    let now = || Instant::EPOCH + start.elapsed();
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut attended = FuturesUnordered::new();
    let mut orders: Vec<mpsc::UnboundedSender<Order>> = Vec::new();
    let mut stop = pin!(stop);
    plan.handle_timeout(now());
    loop {
        while let Some(action) = plan.poll_action() {
            let (probe, order) = match action {
                Action::Open { probe, keepalive } => {
                    let (order, receive) = mpsc::unbounded_channel();
                    orders.push(order);
                    let talk = question.begin();
                    let tell = tell.clone();
                    attended
                        .push(Attendant { probe, talk, tell }.run(connect, to, keepalive, receive));
                    continue;
                }
                Action::Ask { probe, overdue_after, silent_after } => {
                    (probe, Order::Ask { overdue_after, silent_after })
                }
                Action::Keepalive { probe, keepalive } => (probe, Order::Keepalive(keepalive)),
                Action::Close { probe } => (probe, Order::Close),
            };
            // One that has ended takes no more orders; the plan was or will be told.
            let _gone = orders[index(probe)].send(order);
        }
        progress(&plan, now());
        // Where nothing is open and nothing is due, nothing more will be learned.
        if attended.is_empty() && told.is_empty() && plan.poll_timeout().is_none() {
            plan.stop(now());
        }
        if plan.is_done() {
            return plan;
        }
        let wake = plan.poll_timeout().map(|at| start + at.saturating_since(Instant::EPOCH));
        tokio::select! {
            biased;
            () = &mut stop => plan.stop(now()),
            Some(news) = told.recv() => plan.tell(now(), news),
            Some(()) = attended.next() => {}
            () = sleep_until(wake) => plan.handle_timeout(now()),
        }
    }
}

fn index(probe: ProbeId) -> usize {
    usize::try_from(probe.0).unwrap_or(usize::MAX)
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => core::future::pending().await,
    }
}
