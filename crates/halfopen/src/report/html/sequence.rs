//! What was sent around the end of one connection, packet by packet, between the ends and the box
//! that came between.

use halfopen_capture::scene::{Packet, Segment};
use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::time::Duration;
use halfopen_core::wire::tcp::Flags;
use maud::{Markup, html};

use super::super::{Seconds, value::At};
use super::{fixed, svg};
use crate::report::picture::Drawn;
use crate::report::untrusted::visible;

const WIDTH: f64 = 1000.0;
/// Where the lifelines are, from the left.
const CLIENT: f64 = 250.0;
const BOX: f64 = 590.0;
const SERVER: f64 = 930.0;
/// Where the lifelines begin, from above.
const TOP: f64 = 62.0;
/// How much room things take.
const PACKET: f64 = 34.0;
const LINE: f64 = 15.0;
const PAUSE: f64 = 74.0;
const GAP: f64 = 26.0;
/// How far a packet falls on its way, for time goes down.
const FALL: f64 = 7.0;
/// How many columns a remark has.
const REMARK: usize = 84;
/// A shorter silence is not drawn as one.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// A picture that grows downward.
struct Diagram<'a> {
    drawn: Drawn<'a>,
    /// Whether a box did it, which then has a lifeline.
    forged: bool,
    y: f64,
    parts: Vec<Markup>,
}

/// How far a packet came.
#[derive(Clone, Copy)]
struct Course {
    from: f64,
    to: f64,
    /// A box sent it in an end's name.
    forged: bool,
    /// It came no further than the box.
    lost: bool,
}

/// Draws it; `None` if nothing of it was kept.
pub(super) fn chart(drawn: Drawn<'_>) -> Option<Markup> {
    let packets = &drawn.lane.packets;
    let first = packets.first()?;
    let forged = drawn.flow.culprit == Culprit::Hop;
    let mut diagram = Diagram { drawn, forged, y: TOP + 14.0, parts: Vec::new() };
    let dead = diagram.dead_from();
    let mut before: Option<&Packet> = None;
    for (index, packet) in packets.iter().enumerate() {
        if packet.after_gap {
            diagram.gap();
        }
        let waited = before.map(|before| packet.at.saturating_since(before.at));
        // What is sent again into silence is told by its distances.
        let again = dead.is_some_and(|dead| index > dead);
        let pause = waited.filter(|&length| length >= PAUSE_MIN && !again);
        if let Some(length) = pause {
            diagram.pause(length, dead == Some(index));
        }
        let waited = waited.filter(|_| pause.is_none());
        diagram.packet(packet, waited, dead.is_some_and(|dead| index >= dead));
        before = Some(packet);
    }
    Some(diagram.finish(&At(first.at).date()))
}

impl Diagram<'_> {
    /// Returns from which packet on the box knew of no connection; `None` if no box did it.
    fn dead_from(&self) -> Option<usize> {
        let packets = &self.drawn.lane.packets;
        if !self.forged {
            return None;
        }
        let shown = packets.iter().position(|packet| self.fact(packet).is_some());
        let Some((from, to)) = self.drawn.fatal_pause() else { return shown };
        let answered = |packet: &&Packet| packet.at > from && packet.at < to && !packet.from_client;
        let since = packets.iter().filter(answered).map(|packet| packet.at).max().unwrap_or(from);
        packets.iter().position(|packet| packet.at > since)
    }

    fn fact(&self, packet: &Packet) -> Option<&str> {
        let place = |seen: &&crate::report::Evidence| {
            (seen.capture, seen.frame) == (packet.place.capture, packet.place.frame)
        };
        self.drawn.flow.evidence.iter().find(place).map(|seen| seen.fact.as_str())
    }

    /// Tells how far a packet came, as far as the verdict knows.
    fn course(&self, packet: &Packet, dead: bool) -> Course {
        let (from, to) = if packet.from_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let flags = packet.segment.map_or(Flags(0), |segment| segment.flags);
        let ends = flags.has(Flags::RST)
            || (self.drawn.flow.finding == Finding::FinAtExpiry && flags.has(Flags::FIN));
        if !dead {
            return Course { from, to, forged: false, lost: false };
        }
        if ends && self.fact(packet).is_some() {
            return Course { from: BOX, to, forged: true, lost: false };
        }
        let lost = packet.from_client;
        Course { from, to: if lost { BOX } else { to }, forged: false, lost }
    }

    fn gap(&mut self) {
        let y = self.y + 4.0;
        self.parts.push(html! {
            text class="small" x=(fixed(f64::midpoint(CLIENT, SERVER))) y=(fixed(y + 6.0))
                text-anchor="middle" { "⋮ earlier packets are left out" }
        });
        self.y += GAP;
    }

    fn pause(&mut self, length: Duration, fatal: bool) {
        let (y, height) = (self.y, if fatal { PAUSE } else { PAUSE - 34.0 });
        let words = format!("{} without a packet", Seconds(length));
        let kind = if fatal { "silence fatal" } else { "silence" };
        self.parts.push(html! {
            rect class=(kind) x=(fixed(CLIENT - 8.0)) y=(fixed(y)) rx="4"
                height=(fixed(height - 12.0))
                width=(fixed(SERVER - CLIENT + 16.0)) {}
            text class="strong" x=(fixed(f64::midpoint(CLIENT, SERVER))) text-anchor="middle"
                y=(fixed(y + 19.0)) { (words) }
            @if fatal {
                text class="ill" x=(fixed(BOX)) y=(fixed(y + 43.0)) text-anchor="middle" {
                    "the box forgets the connection, and tells nobody"
                }
            }
        });
        self.y += height;
    }

    fn packet(&mut self, packet: &Packet, waited: Option<Duration>, dead: bool) {
        let course = self.course(packet, dead);
        let fact = self.fact(packet).map(|fact| visible(fact).into_owned());
        let y = self.y + 16.0;
        let kind = match (course.forged, course.lost, fact.is_some()) {
            (true, _, _) => "arrow forged",
            (_, true, _) => "arrow lost",
            (false, false, true) => "arrow shows",
            (false, false, false) => "arrow",
        };
        let head = if course.from < course.to { -9.0 } else { 9.0 };
        let label = f64::midpoint(course.from, course.to);
        self.parts.push(html! {
            text class={ "small number " (if fact.is_some() { "strong" } else { "" }) } x="8"
                y=(fixed(y + 3.0)) { "#" (packet.place.frame) }
            text class="small number" x="60" y=(fixed(y + 3.0)) {
                (At(packet.at).time_of_day_exact())
            }
            @if let Some(waited) = waited {
                text class="small number" x=(fixed(CLIENT - 12.0)) y=(fixed(y + 3.0))
                    text-anchor="end" {
                    "+" (short(waited))
                }
            }
            g class=(kind) {
                path d={
                    "M" (fixed(course.from)) " " (fixed(y))
                    "L" (fixed(course.to)) " " (fixed(y + FALL))
                    "m" (fixed(head)) " -5l" (fixed(-head)) " 5l" (fixed(head)) " 5"
                } {}
                @if course.lost {
                    path class="cross" d={
                        "M" (fixed(BOX)) " " (fixed(y + FALL)) "m-5-5l10 10m0-10l-10 10"
                    } {}
                }
            }
            text class="packet" x=(fixed(label)) y=(fixed(y - 3.0)) text-anchor="middle" {
                (says(packet.segment))
            }
        });
        self.y += PACKET;
        if let Some(fact) = fact {
            self.remark(&fact);
        }
    }

    /// Writes below a packet what it shows.
    fn remark(&mut self, fact: &str) {
        for line in textwrap::wrap(fact, REMARK) {
            let y = self.y + 6.0;
            self.parts.push(html! {
                text class="remark" x=(fixed(f64::midpoint(CLIENT, SERVER))) y=(fixed(y))
                    text-anchor="middle" { (line) }
            });
            self.y += LINE;
        }
        self.y += 6.0;
    }

    fn finish(self, date: &str) -> Markup {
        let (bottom, flow) = (self.y + 8.0, self.drawn.flow);
        let (client, server) = (flow.key.initiator, flow.key.responder);
        let lifeline = |x: f64| {
            html! {
                path class="life" d={ "M" (fixed(x)) " " (fixed(TOP - 8.0)) "V" (fixed(bottom)) } {}
            }
        };
        let body = html! {
            text class="small" x="8" y="24" { (date) " UTC" }
            text class="small" x="8" y="44" { "frame" }
            text class="small" x="60" y="44" { "time" }
            (lifeline(CLIENT))
            (lifeline(SERVER))
            (head(CLIENT, "client", &client.to_string(), false))
            (head(SERVER, "server", &server.to_string(), false))
            @if self.forged {
                (lifeline(BOX))
                (head(BOX, "a box on the path", "it has no address here", true))
            }
            @for part in &self.parts { (part) }
        };
        svg((WIDTH, bottom + 6.0), &format!("packets of {client} -> {server}"), &body)
    }
}

/// Draws who a lifeline is.
fn head(x: f64, who: &str, address: &str, guilty: bool) -> Markup {
    let wide = 132.0_f64.max(f64::from(u32::try_from(address.len()).unwrap_or(0)) * 7.4 + 16.0);
    // Long addresses at the right edge would leave the picture.
    let left = (x - wide / 2.0).min(WIDTH - wide - 2.0);
    html! {
        rect class={ "host " (if guilty { "guilty" } else { "" }) } x=(fixed(left)) y="6"
            width=(fixed(wide)) height="42" rx="6" {}
        text class="strong" x=(fixed(left + wide / 2.0)) y="24" text-anchor="middle" { (who) }
        text class="small" x=(fixed(left + wide / 2.0)) y="40" text-anchor="middle" { (address) }
    }
}

/// Says what is in a packet, as Wireshark does.
fn says(segment: Option<Segment>) -> String {
    let Some(Segment { flags, seq, ack, len, ttl }) = segment else {
        return "ICMP: cannot be reached".to_owned();
    };
    let names = [
        (Flags::SYN, "SYN"),
        (Flags::FIN, "FIN"),
        (Flags::RST, "RST"),
        (Flags::PSH, "PSH"),
        (Flags::ACK, "ACK"),
    ];
    let set: Vec<&str> =
        names.iter().filter(|(flag, _)| flags.has(*flag)).map(|&(_, name)| name).collect();
    let ack = ack.map_or(String::new(), |ack| format!(" Ack={ack}"));
    let ttl = if flags.has(Flags::RST) { format!(" TTL={ttl}") } else { String::new() };
    format!("[{}] Seq={seq}{ack} Len={len}{ttl}", set.join(", "))
}

/// Says a time in few characters.
fn short(span: Duration) -> String {
    let micros = span.as_micros();
    if micros < 1_000 { format!("{micros} µs") } else { Seconds(span).to_string() }
}
