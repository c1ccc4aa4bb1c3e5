//! The terminal of a program that controls jobs itself.

use std::io;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp, tcsetpgrp};

/// The terminal of this process, which is in its foreground, as it is before it is given away.
#[derive(Debug)]
pub(super) struct Terminal {
    settings: Termios,
}

impl Terminal {
    /// Returns the terminal if input comes from one and this process is in its foreground.
    pub(super) fn in_use() -> Option<Self> {
        let foreground = tcgetpgrp(io::stdin()).ok()? == getpgrp();
        let settings = tcgetattr(io::stdin()).ok()?;
        foreground.then_some(Self { settings })
    }

    /// Puts this process into the foreground again, with the settings of before. Blocks signals of
    /// the calling thread.
    pub(super) fn take_back(self) {
        // Who is in the background would be stopped for asking.
        let mut stop = SigSet::empty();
        stop.add(Signal::SIGTTOU);
        // A terminal that has gone needs nothing.
        let _taken = stop
            .thread_block()
            .and_then(|()| tcsetpgrp(io::stdin(), getpgrp()))
            .and_then(|()| tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.settings));
    }
}
