//! A list, played to the project's gateway.

use std::time::Duration;

use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::hop::{Discard, EventKind, Hop as _, Output, Reaction};
use halfopen_core::rng::Rng;
use halfopen_core::time::Instant;

use crate::fate::{Fate, Ports};
use crate::list::{Ends, Last, List};

/// What became of the packets of a list.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) fates: Vec<Fate>,
    /// The first packet that came so near to a deadline that it is chance what it met.
    pub(crate) close: Option<usize>,
    /// Which packets were dropped because they were out of window.
    pub(crate) out_of_window: Vec<bool>,
    /// Which packets made it take a connection up.
    pub(crate) adopted: Vec<bool>,
}

/// How near to a deadline the kernel's ticks and a late driver make it unclear which was first.
const CLOSE: Duration = Duration::from_millis(60);

/// Plays a list whose packets come at these times.
pub(crate) fn play(config: &GatewayConfig, number: u32, list: &List, times: &[Instant]) -> Played {
    let mut gateway = Gateway::new(config.clone(), Rng::new(u64::from(number))).unwrap();
    let (mut ports, mut said) = (Ports::default(), Last::default());
    let mut played = Played::default();
    for (index, (step, &now)) in list.0.iter().zip(times).enumerate() {
        gateway.handle_timeout(now);
        let mut close = gateway.poll_timeout().is_some_and(|due| due <= now + CLOSE);
        while let Some(output) = gateway.poll_output() {
            let Output::Event(event) = output else { continue };
            let forgot = matches!(event.kind, EventKind::Forgot { .. });
            close |= forgot && now.saturating_since(event.at) < CLOSE;
        }
        played.close = played.close.or(close.then_some(index));
        let ends = Ends::of(number, step.flow);
        let packet = step.packet(ends, ports.of(step.flow, ends), &said);
        said.sent(step);
        gateway.handle_packet(now, step.side, packet);
        let (mut sent, mut out_of_window, mut adopted) = (Vec::new(), false, false);
        while let Some(output) = gateway.poll_output() {
            match output {
                Output::Packet(side, packet) => sent.push((side, packet)),
                Output::Event(event) => match event.kind {
                    EventKind::Discarded { why, .. } => out_of_window = why == Discard::OutOfWindow,
                    EventKind::Orphaned { reaction, .. } => adopted = reaction == Reaction::Adopted,
                    EventKind::Remembered { .. }
                    | EventKind::Forgot { .. }
                    | EventKind::Exhausted { .. }
                    | EventKind::Refused { .. } => {}
                },
            }
        }
        played.out_of_window.push(out_of_window);
        played.adopted.push(adopted);
        played.fates.push(ports.fate(ends, step, &sent));
    }
    played
}
