//! What a reader of the report should know of a capture: what was not read, and why.

use halfopen_capture::{Summary, pcap::Error};

/// Says what was wrong with a capture.
pub(super) fn notes(summary: &Summary) -> Vec<String> {
    let mut notes = Vec::new();
    match &summary.broken {
        Some(error @ Error::Cut { .. }) => {
            notes.push(format!("{error}; what came after is not judged"));
        }
        Some(error) => notes.push(error.to_string()),
        None if summary.frames == 0 => notes.push("the capture holds no frame".to_owned()),
        None => {}
    }
    if let Some(link) = summary.unfollowed {
        notes.push(format!("frames of {link} are not read: capture on another interface"));
    }
    if summary.not_ip > 0 && summary.unfollowed.is_none() {
        notes.push(format!("{} without an IP packet", frames(summary.not_ip)));
    }
    if summary.malformed > 0 {
        notes.push(format!("{} with a malformed IP header", frames(summary.malformed)));
    }
    if summary.absurd_times > 0 {
        notes.push(format!(
            "{} with a time that is missing, absurd or goes back; no pause is measured across \
             them",
            frames(summary.absurd_times)
        ));
    }
    notes
}

fn frames(count: u64) -> String {
    if count == 1 { "1 frame".to_owned() } else { format!("{count} frames") }
}
