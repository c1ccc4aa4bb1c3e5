//! What a reader of the report should know of a source: what was not read, and why.

use halfopen_capture::{Summary, pcap::Error};
use halfopen_diagnosis::Log;
use halfopen_logs::reader::Epoch;

/// Says what was wrong with a capture.
pub(super) fn notes(summary: &Summary) -> Vec<String> {
    let mut notes = Vec::new();
    match &summary.broken {
        Some(error @ Error::Cut { .. }) => {
            notes.push(format!("{error}; what came after is not judged"));
        }
        Some(error) => notes.push(error.to_string()),
        None if summary.stopped => {
            let read = frames(summary.frames);
            notes.push(format!("the reading was interrupted after {read}; the rest is not judged"));
        }
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

/// Says what was wrong with a log.
pub(super) fn of_log(log: &Log) -> Vec<String> {
    let (mut notes, summary) = (Vec::new(), &log.summary);
    if let Some(error) = &summary.broken {
        notes.push(format!("it cannot be read to its end: {error}; what came after is not judged"));
    }
    if let Some(first) = summary.unread_first {
        let (unread, lines) = (summary.unread, summary.lines);
        notes.push(format!("{unread} of {lines} lines make no sense as this form, first {first}"));
    }
    if summary.zone_assumed {
        notes.push("its times name no zone and were taken for UTC".to_owned());
    }
    match summary.epoch {
        Epoch::Unix => {}
        Epoch::Midnight => notes.push(
            "its times have no date: pauses are known, the day only by other sources".to_owned(),
        ),
        Epoch::Start => notes.push(
            "its times count from its program's start: pauses are known, and when that was only by \
             other sources"
                .to_owned(),
        ),
    }
    if log.unkept > 0 {
        notes.push(format!("{} records are too many to keep and are not judged", log.unkept));
    }
    notes
}

fn frames(count: u64) -> String {
    if count == 1 { "1 frame".to_owned() } else { format!("{count} frames") }
}
