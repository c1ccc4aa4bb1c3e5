//! What became of the second request, by what was seen of it.

use core::net::SocketAddr;

use halfopen_core::hop::Side;
use halfopen_core::time::{Duration, Instant};

use super::far_end::Received;
use super::watch::{Kind, Seen};
use super::{Cell, LIMIT, Pause};

/// Whoever waits for so long for an answer or an error hangs.
const HANGS_FROM: Duration = Duration::from_secs(2);
/// A pause above the limit that was shorter than this was not kept.
const ABOVE_MIN: Duration = Duration::from_millis(2_500);

/// What became of a client's second request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What became of it.
    pub fate: Fate,
    /// From the first byte of the second request to its answer, or else to the program's end.
    /// `None` if there was none.
    pub took: Option<Duration>,
    /// The program's exit code; `None` if it had to be stopped.
    pub code: Option<u8>,
    /// The end of what the program wrote.
    pub output: String,
}

/// What can become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was answered, on the connection of the first.
    Reused,
    /// It was answered on the connection of the first, which the path had not forgotten though the
    /// pause was above the limit: the client's keepalive probes kept it awake.
    KeptAwake,
    /// It was answered on another connection: the first one was known to have ended.
    Reopened,
    /// It was answered on another connection: the client had closed the first one, or let it be,
    /// though nothing had ended it.
    NotKept,
    /// It was sent on the connection of the first, and then answered on another one; the server
    /// received it once.
    Resent,
    /// It was not answered, or the client did not take the answer for one.
    Failed,
    /// For two seconds or longer there was neither answer nor error.
    Hung,
    /// The server received it more than once.
    Doubled,
    /// The client paused for so long, which is on the other side of the limit.
    PauseNotKept(Duration),
    /// There was no second request.
    NoSecond,
    /// There was no first one either, or it was not whole.
    NoRequest,
}

/// All that is known of a trial.
#[derive(Debug)]
pub(super) struct Account<'a> {
    pub(super) cell: Cell,
    pub(super) seen: &'a Seen,
    pub(super) received: &'a [Received],
    pub(super) code: Option<u8>,
    /// When the program ended or was stopped.
    pub(super) ended: Instant,
    pub(super) output: String,
}

pub(super) fn judge(account: Account<'_>) -> Outcome {
    let (fate, took) = account.fate();
    Outcome { fate, took, code: account.code, output: account.output }
}

impl Account<'_> {
    /// Returns what became of the second request, and how long that took.
    fn fate(&self) -> (Fate, Option<Duration>) {
        let Some((first, rest)) = self.received.split_first() else {
            return (Fate::NoRequest, None);
        };
        let Some(first_answered) = first.answered else { return (Fate::NoRequest, None) };
        let Some(second) = self.seen.sent_after(first_answered) else {
            return (Fate::NoSecond, None);
        };
        let quiet = second.saturating_since(first_answered);
        let kept = match self.cell.pause {
            Pause::Below => quiet < LIMIT,
            Pause::Above => quiet >= ABOVE_MIN,
        };
        if !kept {
            return (Fate::PauseNotKept(quiet), None);
        }
        let answer = rest.iter().find_map(|one| Some((one.connection, one.answered?)));
        let took = answer.map_or(self.ended, |(_, at)| at).saturating_since(second);
        let fate = match answer {
            _ if rest.len() > 1 => Fate::Doubled,
            _ if took >= HANGS_FROM => Fate::Hung,
            Some((on, _)) if matches!(self.code, None | Some(0)) => {
                self.way_of(first.connection, on, first_answered, second)
            }
            Some(_) | None => Fate::Failed,
        };
        (fate, Some(took))
    }

    /// Tells how a request came to its answer on a connection.
    fn way_of(
        &self,
        first: SocketAddr,
        on: SocketAddr,
        answered: Instant,
        second: Instant,
    ) -> Fate {
        if on == first {
            let forgets = self.cell.pause == Pause::Above && self.cell.way.policy().is_some();
            return if forgets { Fate::KeptAwake } else { Fate::Reused };
        }
        let mut of_first =
            self.seen.0.iter().filter(|one| one.connection == first && one.at > answered);
        if of_first.clone().any(|one| one.from == Side::Inside && one.kind == Kind::Data) {
            return Fate::Resent;
        }
        match of_first.find(|one| one.kind == Kind::End && one.at <= second) {
            Some(end) if end.from == Side::Outside => Fate::Reopened,
            Some(_) | None => Fate::NotKept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch::Sighting;
    use super::super::{Method, Way};
    use super::*;

    const OLD: SocketAddr = SocketAddr::new(super::super::CLIENT, 40_000);
    const NEW: SocketAddr = SocketAddr::new(super::super::CLIENT, 40_001);

    fn at(millis: u64) -> Instant {
        Instant::EPOCH + Duration::from_millis(millis)
    }

    fn sent(millis: u64, connection: SocketAddr) -> Sighting {
        Sighting { at: at(millis), connection, from: Side::Inside, kind: Kind::Data }
    }

    fn ended(millis: u64, from: Side) -> Sighting {
        Sighting { at: at(millis), connection: OLD, from, kind: Kind::End }
    }

    fn received(millis: u64, connection: SocketAddr) -> Received {
        Received { connection, at: at(millis), answered: Some(at(millis)) }
    }

    /// A trial of a pause above the limit that begins with a request at 0 s and ends at 3.1 s.
    fn fate(seen: &[Sighting], rest: &[Received], code: Option<u8>) -> Fate {
        let cell = Cell { way: Way::Silence, method: Method::Post, pause: Pause::Above };
        let mut all = vec![sent(0, OLD)];
        all.extend(seen);
        let received = [&[received(1, OLD)], rest].concat();
        let account = Account {
            cell,
            seen: &Seen(all),
            received: &received,
            code,
            ended: at(3_100),
            output: String::new(),
        };
        judge(account).fate
    }

    #[test]
    fn a_request_that_is_answered_tells_by_its_connection_how() {
        let (old, new) = ([received(3_010, OLD)], [received(3_010, NEW)]);
        assert_eq!(fate(&[sent(3_000, OLD)], &old, Some(0)), Fate::KeptAwake);
        assert_eq!(fate(&[sent(3_000, OLD), sent(3_005, NEW)], &new, Some(0)), Fate::Resent);
        let noticed = [ended(2_000, Side::Outside), sent(3_000, NEW)];
        assert_eq!(fate(&noticed, &new, Some(0)), Fate::Reopened);
        let closed = [ended(1_500, Side::Inside), sent(3_000, NEW)];
        assert_eq!(fate(&closed, &new, Some(0)), Fate::NotKept);
    }

    #[test]
    fn a_client_that_says_it_failed_is_believed() {
        let seen = [sent(3_000, OLD)];
        assert_eq!(fate(&seen, &[received(3_010, OLD)], Some(1)), Fate::Failed);
        // One that does not say so is not.
        assert_eq!(fate(&seen, &[], Some(0)), Fate::Failed);
    }

    #[test]
    fn what_the_server_has_twice_is_doubled_whatever_the_client_says() {
        let unanswered = Received { answered: None, ..received(3_010, OLD) };
        let seen = [sent(3_000, OLD), sent(3_020, NEW)];
        for code in [Some(0), Some(1), None] {
            assert_eq!(fate(&seen, &[unanswered, received(3_030, NEW)], code), Fate::Doubled);
        }
    }

    #[test]
    fn whoever_waits_hangs() {
        let late = [received(5_500, NEW)];
        assert_eq!(fate(&[sent(3_000, OLD), sent(5_400, NEW)], &late, Some(0)), Fate::Hung);
        assert_eq!(fate(&[sent(3_000, OLD)], &[], None), Fate::Failed);
    }

    #[test]
    fn a_program_that_does_something_else_is_told_so() {
        assert_eq!(fate(&[], &[], Some(0)), Fate::NoSecond);
        let early = [received(1_010, OLD)];
        let expected = Fate::PauseNotKept(Duration::from_millis(999));
        assert_eq!(fate(&[sent(1_000, OLD)], &early, Some(0)), expected);
    }
}
