//! Any bytes, read as a capture.

use std::io::{self, Read};

use halfopen_capture::frame::network_layer;
use halfopen_capture::pcap::Reader;
use halfopen_core::wire::View;

/// Reads the bytes as a capture down to its packets, at once and in small steps.
pub fn run(bytes: &[u8]) {
    let (mut at_once, mut in_steps) = (read(bytes), read(Steps(bytes)));
    if at_once.last().is_some_and(|line| line.starts_with("the gzip data is damaged")) {
        // How far damaged data is decompressed depends on the steps.
        at_once.pop();
        in_steps.truncate(at_once.len());
    }
    assert_eq!(in_steps, at_once);
}

/// Returns a line for each frame, and for the error that ended them.
fn read(source: impl Read) -> Vec<String> {
    let mut lines = Vec::new();
    let mut reader = match Reader::new(source) {
        Ok(reader) => reader,
        Err(error) => return vec![error.to_string()],
    };
    let mut last = 0;
    loop {
        match reader.next() {
            Ok(Some(frame)) => {
                assert!(frame.number > last, "frame {} after {last}", frame.number);
                assert!(frame.bytes.len() <= frame.wire_len);
                last = frame.number;
                let layer = network_layer(frame.link, frame.bytes, frame.wire_len);
                let view = layer.map(|layer| {
                    assert!(layer.bytes.len() <= layer.wire_len);
                    View::parse(layer.bytes, layer.wire_len)
                });
                lines.push(format!("{frame:?} {view:?}"));
            }
            Ok(None) => return lines,
            Err(error) => {
                assert!(reader.next().is_ok_and(|next| next.is_none()), "an error comes once");
                lines.push(error.to_string());
                return lines;
            }
        }
    }
}

/// A source that gives seven bytes at a time.
struct Steps<'a>(&'a [u8]);

impl Read for Steps<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let step = into.len().min(7);
        self.0.read(&mut into[..step])
    }
}
