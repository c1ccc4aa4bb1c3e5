//! What a program says of a failure, among all that it writes.

use halfopen_logs::failure::meaning;

use crate::report::untrusted::visible;

/// So much of a line is quoted, in characters.
const QUOTED_MAX: usize = 300;

/// Returns the last line that tells of a known failure.
pub(super) fn failure(output: &str) -> Option<String> {
    lines(output).find(|line| meaning(line).is_some()).map(quoted)
}

/// Returns the last line.
pub(super) fn last(output: &str) -> Option<String> {
    lines(output).next().map(quoted)
}

/// Returns the lines that have something in them, the last first.
fn lines(output: &str) -> impl Iterator<Item = &str> {
    output.lines().rev().map(str::trim).filter(|line| !line.is_empty())
}

fn quoted(line: &str) -> String {
    visible(line).chars().take(QUOTED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_found_in_a_stack_trace() {
        let trace = "200\nException in thread \"main\" java.net.SocketException: Connection reset\n\
                     \tat Trial.send(Trial.java:20)\n\t... 24 more\n";
        let expected = "Exception in thread \"main\" java.net.SocketException: Connection reset";
        assert_eq!(failure(trace).as_deref(), Some(expected));
        assert_eq!(last(trace).as_deref(), Some("... 24 more"));
        assert_eq!(failure("200\n"), None);
    }

    #[test]
    fn what_a_terminal_would_act_upon_is_shown() {
        assert_eq!(last("\x1b[31mred\n\n").as_deref(), Some("\\u{1b}[31mred"));
        assert_eq!(last("\n"), None);
    }
}
