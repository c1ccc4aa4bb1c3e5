//! Waiting until something has to be done.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use halfopen_core::time::Instant;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::clock::Clock;

/// Wakes a thread that [`Waiter::wait`]s, or that is about to.
#[derive(Debug)]
pub(super) struct Waker(EventFd);

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self(EventFd::from_flags(flags)?))
    }

    pub(super) fn wake(&self) {
        // It fails if it was woken 2^64 - 2 times and never took notice; then it will wake up.
        let _woken = self.0.write(1);
    }
}

/// Waits for readiness, for a waker and for a deadline.
#[derive(Debug)]
pub(super) struct Waiter {
    epoll: Epoll,
    timer: TimerFd,
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
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?;
        let add = |source: BorrowedFd<'_>, number| {
            epoll.add(source, EpollEvent::new(EpollFlags::EPOLLIN, number))
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
        let mut events = [EpollEvent::empty(); EVENTS_MAX];
        let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        for event in &events[..ready] {
            // Neither has a number to be read if another wait took it.
            match event.data() {
                TIMER => {
                    self.armed = None;
                    let _expired = self.timer.wait();
                }
                WAKER => {
                    let _woken = waker.0.read();
                }
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
        let at = Expiration::OneShot(clock.on_the_system(deadline));
        self.timer.set(at, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        self.armed = Some(deadline);
        Ok(())
    }
}
