//! One connection, from its opening to its end.

use core::time::Duration;
use std::io;

use halfopen_core::tcp::Keepalive;
use halfopen_pool::connect::{Connect, Delivery, Destination, Transport};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep, timeout};

use crate::answer::Failure;
use crate::plan::{AfterFin, End, ProbeId, Reply, Told};
use crate::question::{Dialogue, Taken};

/// How long a connection may take to open, and to answer its first question.
const OPENING: Duration = Duration::from_secs(10);
/// How long after the far end's FIN the acknowledgment of ours is waited for.
const FAREWELL: Duration = Duration::from_millis(1_500);
/// How often TCP is asked what it knows.
const MOMENT: Duration = Duration::from_millis(20);

pub(super) enum Order {
    Ask { overdue_after: Duration, silent_after: Duration },
    Keepalive(Keepalive),
    Close,
}

pub(super) struct Attendant {
    pub(super) probe: ProbeId,
    pub(super) talk: Box<dyn Dialogue>,
    pub(super) tell: UnboundedSender<Told>,
}

/// How an answer ended.
enum Heard {
    Answered,
    AnsweredLast,
    Foreign(String),
    Closed,
    Failed(io::Error),
}

/// A connection under way.
struct Line<T> {
    io: TokioIo<T>,
    talk: Box<dyn Dialogue>,
}

impl Attendant {
    pub(super) async fn run<C: Connect>(
        self,
        connect: &C,
        to: &Destination,
        keepalive: Option<Keepalive>,
        mut orders: UnboundedReceiver<Order>,
    ) {
        let Self { probe, talk, tell } = self;
        // Who does not listen any more is done.
        let say = |told| drop(tell.send(told));
        let (mut line, greeting, rtt) = match open(connect, to, keepalive, talk).await {
            Ok(opened) => opened,
            Err(failure) => return say(Told::Failed { probe, failure }),
        };
        say(Told::Opened { probe, rtt, greeting });
        loop {
            let order = tokio::select! {
                biased;
                order = orders.recv() => order,
                end = line.end() => {
                    say(Told::Ended { probe, end });
                    if end == End::Closed {
                        say(Told::Farewell { probe, after: line.farewell().await });
                    }
                    return;
                }
            };
            match order {
                Some(Order::Ask { overdue_after, silent_after }) => {
                    let quiet = line.io.inner().wire_idle();
                    let overdue = |delivery| say(Told::Overdue { probe, delivery });
                    let reply = line.ask(overdue_after, silent_after, overdue).await;
                    return say(Told::Replied { probe, quiet, reply });
                }
                // A twin that cannot be kept otherwise goes on as it was.
                Some(Order::Keepalive(to)) => drop(line.io.inner().set_keepalive(Some(to))),
                Some(Order::Close) | None => return,
            }
        }
    }
}

/// Opens a connection and asks it for the first time.
async fn open<C: Connect>(
    connect: &C,
    to: &Destination,
    keepalive: Option<Keepalive>,
    talk: Box<dyn Dialogue>,
) -> Result<(Line<C::Transport>, Duration, Duration), Failure> {
    let begun = Instant::now();
    let opened = timeout(OPENING, connect.connect(to)).await.map_err(|_| Failure::TimedOut)?;
    let transport = opened.map_err(|error| failure(&error))?;
    let rtt = begun.elapsed();
    if keepalive.is_some() {
        transport.set_keepalive(keepalive).map_err(|error| failure(&error))?;
    }
    let mut line = Line { io: TokioIo::new(transport), talk };
    let asked = Instant::now();
    let heard = timeout(OPENING, line.answer()).await.map_err(|_| Failure::NoAnswer)?;
    match heard {
        Heard::Answered => Ok((line, asked.elapsed(), rtt)),
        Heard::AnsweredLast => Err(Failure::ClosesAfterAnswer),
        Heard::Foreign(words) => Err(Failure::Foreign(words)),
        Heard::Closed => Err(Failure::ClosedAtOnce),
        Heard::Failed(error) => Err(failure(&error)),
    }
}

impl<T: Transport> Line<T> {
    /// Asks after the pause, and says what came back. Where nothing comes for long, `overdue` is
    /// told once.
    async fn ask(
        &mut self,
        overdue_after: Duration,
        silent_after: Duration,
        overdue: impl FnOnce(Option<Delivery>),
    ) -> Reply {
        let asked = Instant::now();
        let question = self.talk.ask();
        if let Err(error) = self.io.write_all(&question).await {
            return reply(&error);
        }
        let mut overdue = Some(overdue);
        for after in [overdue_after, silent_after] {
            if let Ok(heard) = timeout(after.saturating_sub(asked.elapsed()), self.hear()).await {
                return match heard {
                    // Whatever it says, it is there.
                    Heard::Answered | Heard::AnsweredLast | Heard::Foreign(_) => Reply::Answered,
                    Heard::Closed => Reply::Closed,
                    Heard::Failed(error) => reply(&error),
                };
            }
            let delivery = self.io.inner().delivery();
            if delivery == Some(Delivery::Acknowledged) {
                return Reply::Acknowledged;
            }
            if let Some(overdue) = overdue.take() {
                overdue(delivery);
            }
        }
        Reply::Silent
    }

    async fn answer(&mut self) -> Heard {
        let question = self.talk.ask();
        if let Err(error) = self.io.write_all(&question).await {
            return Heard::Failed(error);
        }
        self.hear().await
    }

    /// Waits for the answer to what was asked. Can be given up and taken up again.
    async fn hear(&mut self) -> Heard {
        if !self.talk.is_answered() {
            return self.acknowledged().await;
        }
        let mut room = [0; 4_096];
        loop {
            let came = match self.io.read(&mut room).await {
                Ok(0) => return Heard::Closed,
                Ok(came) => came,
                Err(error) => return Heard::Failed(error),
            };
            match self.talk.take(&room[..came]) {
                Taken::More => {}
                Taken::Send(more) => {
                    if let Err(error) = self.io.write_all(&more).await {
                        return Heard::Failed(error);
                    }
                }
                Taken::Answered => return Heard::Answered,
                Taken::AnsweredLast => return Heard::AnsweredLast,
                Taken::Foreign(words) => return Heard::Foreign(words),
            }
        }
    }

    /// Waits until the far end's TCP has what was sent.
    async fn acknowledged(&mut self) -> Heard {
        loop {
            tokio::select! {
                biased;
                end = self.end() => return match end {
                    End::Closed => Heard::Closed,
                    End::Reset => Heard::Failed(io::ErrorKind::ConnectionReset.into()),
                    End::TimedOut => Heard::Failed(io::ErrorKind::TimedOut.into()),
                },
                () = sleep(MOMENT) => {}
            }
            if self.io.inner().delivery() == Some(Delivery::Acknowledged) {
                return Heard::Answered;
            }
        }
    }

    /// Waits for the end of an idle connection. What is said meanwhile is left alone.
    async fn end(&mut self) -> End {
        let mut room = [0; 4_096];
        loop {
            match self.io.read(&mut room).await {
                Ok(0) => return End::Closed,
                Ok(_) => {}
                Err(error) => return end(&error),
            }
        }
    }

    /// Closes this half, too, and says what the far end makes of it.
    async fn farewell(&mut self) -> AfterFin {
        if self.io.inner().delivery().is_none() || self.io.shutdown().await.is_err() {
            return AfterFin::Unseen;
        }
        let parted = Instant::now();
        while parted.elapsed() < FAREWELL {
            sleep(MOMENT).await;
            match self.io.inner().delivery() {
                Some(Delivery::Outstanding { .. }) => {}
                Some(Delivery::Acknowledged) | None => {
                    // A reset after a FIN shows only to who reads.
                    let mut room = [0; 1];
                    return match self.io.read(&mut room).await {
                        Ok(_) => AfterFin::Acknowledged,
                        Err(_) => AfterFin::Reset,
                    };
                }
            }
        }
        AfterFin::Silent
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "std may add kinds")]
fn reply(error: &io::Error) -> Reply {
    match error.kind() {
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::PermissionDenied => Reply::Silent,
        io::ErrorKind::UnexpectedEof => Reply::Closed,
        _ => Reply::Reset,
    }
}

fn end(error: &io::Error) -> End {
    match reply(error) {
        Reply::Silent => End::TimedOut,
        Reply::Closed => End::Closed,
        Reply::Answered | Reply::Acknowledged | Reply::Reset => End::Reset,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "std may add kinds")]
fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => Failure::Reset,
        io::ErrorKind::UnexpectedEof => Failure::ClosedAtOnce,
        io::ErrorKind::TimedOut => Failure::TimedOut,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::PermissionDenied => Failure::Unreachable,
        io::ErrorKind::AddrNotAvailable => Failure::NoPorts,
        // ENFILE and EMFILE, for which std has no kind; every Unix numbers them so.
        _ if matches!(error.raw_os_error(), Some(23 | 24)) => Failure::NoDescriptors,
        _ => Failure::Local(error.to_string()),
    }
}
