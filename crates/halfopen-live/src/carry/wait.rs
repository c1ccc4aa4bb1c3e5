//! Waiting until something has to be done.

use core::mem::MaybeUninit;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use halfopen_core::time::Instant;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::clock::Clock;

/// Wakes a thread that [`Waiter::wait`]s, or that is about to.
#[derive(Debug)]
pub(super) struct Waker(OwnedFd);

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(super) fn wake(&self) {
        // It fails if it was woken 2^64 - 2 times and never took notice; then it will wake up.
        let _woken = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

/// Waits for readiness, for a waker and for a deadline.
#[derive(Debug)]
pub(super) struct Waiter {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// When the timer goes off.
    armed: Option<Instant>,
}

/// Two sources, the timer and the waker.
const EVENTS_MAX: usize = 4;

/// What is not a source.
const TIMER: u64 = u64::MAX;
const WAKER: u64 = u64::MAX - 1;

impl Waiter {
    /// Returns what waits until one of the sources can be read.
    pub(super) fn new(sources: [BorrowedFd<'_>; 2], waker: &Waker) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        let add = |source: BorrowedFd<'_>, number| {
            epoll::add(&epoll, source, epoll::EventData::new_u64(number), epoll::EventFlags::IN)
        };
        for (source, number) in sources.into_iter().zip(0..) {
            add(source, number)?;
        }
        add(timer.as_fd(), TIMER)?;
        add(waker.0.as_fd(), WAKER)?;
        Ok(Self { epoll, timer, armed: None })
    }

    /// Waits until a source can be read, the waker was used, or `deadline` has come. It may return
    /// before.
    pub(super) fn wait(
        &mut self,
        deadline: Option<Instant>,
        clock: &Clock,
        waker: &Waker,
    ) -> io::Result<()> {
        self.arm(deadline, clock)?;
        let mut room = [const { MaybeUninit::uninit() }; EVENTS_MAX];
        let events = match epoll::wait(&self.epoll, &mut room, None) {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            match event.data.u64() {
                TIMER => {
                    self.armed = None;
                    take_notice(&self.timer);
                }
                WAKER => take_notice(&waker.0),
                _source => {}
            }
        }
        Ok(())
    }

    /// Sets the timer, unless it goes off early enough: deadlines mostly move away, and waking up
    /// once too often costs less than setting it each time.
    fn arm(&mut self, deadline: Option<Instant>, clock: &Clock) -> io::Result<()> {
        let Some(deadline) = deadline else { return Ok(()) };
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return Ok(());
        }
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval: never, it_value: clock.on_the_system(deadline) };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
        self.armed = Some(deadline);
        Ok(())
    }
}

/// Reads the count of a timer or a waker, so that it waits for the next.
fn take_notice(counter: &OwnedFd) {
    let mut count = [0; 8];
    // There is none if another wait took it.
    let _count = rustix::io::read(counter, &mut count);
}
