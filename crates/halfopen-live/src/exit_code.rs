//! How programs end.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// Returns an exit code as shells give it: what the program said, or 128 and the signal's number.
pub(crate) fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
