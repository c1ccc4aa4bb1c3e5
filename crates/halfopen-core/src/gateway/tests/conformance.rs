//! TCP state against RFC 5382, RFC 7857, and the behaviours that the tests of Linux conntrack
//! (`tools/testing/selftests/net/netfilter/packetdrill`) and of VPP's NAT44-ED look for.

use super::*;

const ESTABLISHED: u64 = 7_440;
const TRANSITORY: u64 = 240;

/// What happens, and what the gateway still knows after it.
enum Row {
    /// A segment from inside passes: flags, sequence and acknowledgment number, payload.
    In(Flags, u32, u32, usize),
    /// A segment from outside passes.
    Out(Flags, u32, u32, usize),
    /// So many seconds pass, and the flow is still remembered.
    Lives(u64),
    /// So many seconds pass, and at the end of them the flow is forgotten for this reason.
    Dies(u64, Demise),
}

use Row::{Dies, In, Lives, Out};

/// Plays rows after a handshake.
fn play(rows: &[Row]) -> Scene {
    let mut scene = Scene::established(IdlePolicy::RFC);
    play_on(&mut scene, rows);
    scene
}

/// Plays rows from the first SYN on.
fn play_from_nothing(rows: &[Row]) -> Scene {
    let mut scene = Scene::nat(IdlePolicy::RFC);
    play_on(&mut scene, rows);
    scene
}

fn play_on(scene: &mut Scene, rows: &[Row]) {
    for (number, row) in rows.iter().enumerate() {
        match *row {
            In(flags, seq, ack, payload) => {
                let passed = scene.inside(flags, seq, ack, payload).outside.len();
                assert_eq!(passed, 1, "row {number} did not pass");
            }
            Out(flags, seq, ack, payload) => {
                let passed = scene.outside(flags, seq, ack, payload).inside.len();
                assert_eq!(passed, 1, "row {number} did not pass");
            }
            Lives(seconds) => assert_eq!(scene.pause(seconds).events, [], "row {number}"),
            Dies(seconds, because) => {
                assert_eq!(scene.pause(seconds - 1).events, [], "row {number}");
                let events = scene.pause(1).events;
                let [EventKind::Forgot { because: why, .. }] = events[..] else {
                    panic!("row {number}: {events:?}")
                };
                assert_eq!(why, because, "row {number}");
            }
        }
    }
}

#[test]
fn an_open_connection_is_kept_2_hours_and_4_minutes() {
    // RFC 5382 REQ-5.
    play(&[Dies(ESTABLISHED, Demise::Idle)]);
    play(&[Lives(7_000), In(ACK, 1_000, 5_000, 1), Lives(7_000), Out(ACK, 5_000, 1_001, 1)]);
}

#[test]
fn an_opening_connection_is_kept_4_minutes_after_its_last_try() {
    // RFC 5382 REQ-5; VPP's tcp_session_open_retransmit.
    play_from_nothing(&[
        In(SYN, 999, 0, 0),
        Lives(200),
        In(SYN, 999, 0, 0),
        Lives(200),
        Out(SYN_ACK, 4_999, 1_000, 0),
        Lives(200),
        Out(SYN_ACK, 4_999, 1_000, 0),
        Dies(TRANSITORY, Demise::Idle),
    ]);
}

#[test]
fn a_connection_closes_from_either_side_or_both() {
    // VPP's tcp_session_close_in, _out and _simultaneous.
    let from_inside = [
        In(FIN_ACK, 1_000, 5_000, 0),
        Out(ACK, 5_000, 1_001, 0),
        Out(FIN_ACK, 5_000, 1_001, 0),
        In(ACK, 1_001, 5_001, 0),
        Dies(TRANSITORY, Demise::Closed),
    ];
    let from_outside = [
        Out(FIN_ACK, 5_000, 1_000, 0),
        In(ACK, 1_000, 5_001, 0),
        In(FIN_ACK, 1_000, 5_001, 0),
        Out(ACK, 5_001, 1_001, 0),
        Dies(TRANSITORY, Demise::Closed),
    ];
    let both = [
        In(FIN_ACK, 1_000, 5_000, 0),
        Out(FIN_ACK, 5_000, 1_000, 0),
        In(ACK, 1_001, 5_001, 0),
        Out(ACK, 5_001, 1_001, 0),
        Dies(TRANSITORY, Demise::Closed),
    ];
    for rows in [&from_inside, &from_outside, &both] {
        play(rows);
    }
}

#[test]
fn each_phase_of_closing_has_its_own_timer() {
    let mut idle = IdlePolicy::RFC;
    idle.timers.tcp_half_closed = Some(seconds(60));
    idle.timers.tcp_closing = Some(seconds(30));
    idle.timers.tcp_time_wait = Some(seconds(120));
    let rows = [
        (Out(FIN_ACK, 5_000, 1_000, 0), Dies(60, Demise::Idle)),
        (In(FIN_ACK, 1_000, 5_001, 0), Dies(30, Demise::Closed)),
        (Out(ACK, 5_001, 1_001, 0), Dies(120, Demise::Closed)),
    ];
    for last in 0..rows.len() {
        let mut scene = Scene::established(idle);
        for (segment, _) in &rows[..=last] {
            play_on(&mut scene, core::slice::from_ref(segment));
        }
        play_on(&mut scene, core::slice::from_ref(&rows[last].1));
    }
}

#[test]
fn a_half_closed_connection_still_carries_data() {
    play(&[
        In(FIN_ACK, 1_000, 5_000, 0),
        Lives(200),
        Out(ACK, 5_000, 1_001, 1_000),
        Lives(200),
        In(ACK, 1_001, 6_000, 0),
        Lives(239),
    ]);
}

#[test]
fn a_reset_with_the_exact_number_ends_a_connection() {
    // RFC 7857 section 2.2: the session is kept for 4 minutes, since the reset may get lost.
    play(&[In(RST, 1_000, 0, 0), Dies(TRANSITORY, Demise::Reset)]);
    play(&[Out(RST, 5_000, 0, 0), Lives(200), Out(RST, 5_000, 0, 0), Dies(240, Demise::Reset)]);
    // Sent after data that is not acknowledged yet.
    play(&[In(ACK, 1_000, 5_000, 100), In(RST, 1_100, 5_000, 0), Dies(240, Demise::Reset)]);
    // Sent in answer to data, at the number that this acknowledged.
    play(&[In(ACK, 1_000, 5_000, 100), Out(RST, 5_000, 0, 0), Dies(240, Demise::Reset)]);
}

#[test]
fn a_reset_with_another_number_ends_nothing() {
    // conntrack_rst_invalid, RFC 5961 section 3.2.
    play(&[Out(RST, 900_000, 0, 0), Lives(300)]);
    play(&[In(RST, 1_000_000_000, 0, 0), Lives(300)]);
    play(&[Out(RST, 5_001, 0, 0), Lives(300)]);
}

#[test]
fn an_inexact_reset_ends_a_connection_that_is_closing() {
    // conntrack_inexact_rst.
    play(&[In(FIN_ACK, 1_000, 5_000, 0), Out(RST, 5_010, 0, 0), Dies(240, Demise::Reset)]);
    play(&[In(FIN_ACK, 1_000, 5_000, 0), Out(RST, 900_000, 0, 0), Dies(240, Demise::Idle)]);
}

#[test]
fn a_window_that_is_checked_drops_what_lies_outside() {
    let mut config = GatewayConfig::nat(addr("192.0.2.1:0").ip(), IdlePolicy::RFC);
    config.out_of_window = OutOfWindow::Drop;
    let mut scene = Scene::new(config);
    scene.handshake();
    let why = Discard::OutOfWindow;
    let dropped = [EventKind::Discarded { side: Side::Outside, why }];
    assert_eq!(scene.outside(RST, 900_000, 0, 0).events, dropped);
    assert_eq!(scene.outside(ACK, 900_000, 1_000, 10).events, dropped);
    assert_eq!(scene.outside(ACK, 5_000, 2_000_000, 10).events, dropped);
    assert_eq!(scene.outside(ACK, 5_000, 1_000, 10).inside.len(), 1);
}

#[test]
fn a_syn_on_a_live_connection_draws_a_challenge_and_then_a_reset() {
    // conntrack_synack_reuse: the client lost its memory and opens again with the same port.
    let mut scene = play(&[
        In(ACK, 1_000, 5_000, 100),
        Out(ACK, 5_000, 1_100, 0),
        In(SYN, 70_000, 0, 0),
        Out(ACK, 5_000, 1_100, 0),
        Lives(300),
        In(RST, 1_100, 0, 0),
    ]);
    let flow = scene.flow();
    let anew = [forgot(flow, 0, Demise::Reset), EventKind::Remembered { flow }];
    assert_eq!(scene.inside(SYN, 70_000, 0, 0).events, anew);
    play_on(
        &mut scene,
        &[
            Out(SYN_ACK, 800_000, 70_001, 0),
            In(ACK, 70_001, 800_001, 0),
            Dies(ESTABLISHED, Demise::Idle),
        ],
    );
}

#[test]
fn both_ends_may_agree_on_a_new_connection_where_the_gateway_knows_an_old_one() {
    play(&[
        In(SYN, 70_000, 0, 0),
        Out(SYN_ACK, 800_000, 70_001, 0),
        In(ACK, 70_001, 800_001, 0),
        Lives(300),
        Out(ACK, 800_001, 70_001, 500),
        Out(RST, 800_501, 0, 0),
        Dies(TRANSITORY, Demise::Reset),
    ]);
}

#[test]
fn an_old_syn_ack_does_not_disturb_a_new_connection() {
    // conntrack_synack_old: the answer to an earlier SYN of the same ends, and the reset it draws.
    play_from_nothing(&[
        In(SYN, 999, 0, 0),
        Out(SYN_ACK, 145_824_453, 643_160_523, 0),
        In(RST, 643_160_523, 0, 0),
        Out(SYN_ACK, 4_999, 1_000, 0),
        In(ACK, 1_000, 5_000, 0),
        Dies(ESTABLISHED, Demise::Idle),
    ]);
}

#[test]
fn a_challenge_to_a_syn_passes_and_the_connection_opens_after_it() {
    // conntrack_syn_challenge_ack: the server still knows an older connection.
    play_from_nothing(&[
        In(SYN, 999, 0, 0),
        Out(ACK, 77_000, 333_000, 0),
        In(RST, 333_000, 0, 0),
        In(SYN, 999, 0, 0),
        Out(SYN_ACK, 4_999, 1_000, 0),
        In(ACK, 1_000, 5_000, 0),
        Dies(ESTABLISHED, Demise::Idle),
    ]);
}

#[test]
fn a_refusal_counts_only_if_it_acknowledges_the_syn() {
    // RFC 9293 section 3.10.7.3.
    play_from_nothing(&[
        In(SYN, 999, 0, 0),
        Lives(100),
        Out(RST | ACK, 0, 1_000, 0),
        Dies(TRANSITORY, Demise::Reset),
    ]);
    play_from_nothing(&[
        In(SYN, 999, 0, 0),
        Lives(100),
        Out(RST | ACK, 0, 999_999, 0),
        Dies(TRANSITORY - 100, Demise::Idle),
    ]);
}

#[test]
fn lost_acknowledgments_stall_nothing() {
    // conntrack_ack_loss_stall: they get lost before the gateway, or after it.
    let data = |n: u32| Out(ACK, 5_000 + n * 1_000, 1_000, 1_000);
    let mut rows: Vec<Row> = (0..50).chain(0..50).map(data).collect();
    rows.extend([In(ACK, 1_000, 55_000, 0), Lives(7_000), data(49)]);
    rows.push(Dies(ESTABLISHED, Demise::Idle));
    play(&rows);
}

#[test]
fn both_ends_may_open_at_once() {
    // RFC 5382 REQ-2.
    play_from_nothing(&[
        In(SYN, 999, 0, 0),
        Out(SYN, 4_999, 0, 0),
        In(SYN_ACK, 999, 5_000, 0),
        Out(SYN_ACK, 4_999, 1_000, 0),
        Dies(ESTABLISHED, Demise::Idle),
    ]);
}

#[test]
fn a_closed_connection_opens_again_as_a_new_one() {
    // VPP's tcp_session_reopen.
    let mut scene = play(&[
        In(FIN_ACK, 1_000, 5_000, 0),
        Out(FIN_ACK, 5_000, 1_001, 0),
        In(ACK, 1_001, 5_001, 0),
    ]);
    let flow = scene.flow();
    let anew = [forgot(flow, 0, Demise::Closed), EventKind::Remembered { flow }];
    assert_eq!(scene.inside(SYN, 90_000, 0, 0).events, anew);
    play_on(
        &mut scene,
        &[
            Out(SYN_ACK, 600_000, 90_001, 0),
            In(ACK, 90_001, 600_001, 0),
            Dies(ESTABLISHED, Demise::Idle),
        ],
    );
}

#[test]
fn scaled_windows_count_in_full() {
    let mut config = GatewayConfig::nat(addr("192.0.2.1:0").ip(), IdlePolicy::RFC);
    config.out_of_window = OutOfWindow::Drop;
    let mut scene = Scene::new(config);
    let scaled = |src, dst, flags, seq, ack| {
        let options = tcp::Options { window_scale: Some(7), ..tcp::Options::default() };
        let segment = tcp::Segment::new(src, dst, flags);
        tcp::Segment { seq: Seq(seq), ack: Seq(ack), window: 500, options, ..segment }.into_packet()
    };
    let (client, server) = (scene.client, scene.server);
    let syn = scene.send(Side::Inside, scaled(client, server, SYN, 999, 0)).outside.remove(0);
    let external = syn.view().flow().unwrap().initiator;
    scene.send(Side::Outside, scaled(server, external, SYN_ACK, 4_999, 1_000));
    scene.send(Side::Inside, scaled(client, server, ACK, 1_000, 5_000));
    let passes = |scene: &mut Scene, seq| {
        let packet = segment((server, external), ACK, (seq, 1_000), 1);
        !scene.send(Side::Outside, packet).inside.is_empty()
    };
    // Up to another window beyond passes, but proves nothing.
    assert!(!passes(&mut scene, 5_000 + 2 * 500 * 128 - 1));
    assert!(passes(&mut scene, 5_000 + 2 * 500 * 128 - 2));
    assert!(passes(&mut scene, 5_000 + 500 * 128));
}

/// A connection through a gateway that drops what is out of window.
fn strict() -> Scene {
    let mut config = GatewayConfig::nat(addr("192.0.2.1:0").ip(), IdlePolicy::RFC);
    config.out_of_window = OutOfWindow::Drop;
    let mut scene = Scene::new(config);
    scene.handshake();
    scene
}

#[test]
fn what_was_said_long_ago_passes_and_counts_for_nothing() {
    // Its receiver acknowledges it once more. Linux lets it pass since 6.3.
    let mut scene = strict();
    for n in 0..8 {
        scene.outside(ACK, 5_000 + n * 10_000, 1_000, 10_000);
        scene.inside(ACK, 1_000, 15_000 + n * 10_000, 0);
    }
    play_on(&mut scene, &[Lives(7_000), Out(ACK, 5_000, 1_000, 1_000), Dies(440, Demise::Idle)]);
    let mut scene = strict();
    for n in 0..8 {
        scene.outside(ACK, 5_000 + n * 10_000, 1_000, 10_000);
        scene.inside(ACK, 1_000, 15_000 + n * 10_000, 0);
    }
    // An acknowledgment from before all of this.
    play_on(&mut scene, &[Lives(7_000), In(ACK, 1_000, 5_000, 0), Dies(440, Demise::Idle)]);
}

#[test]
fn more_than_was_asked_for_passes_and_can_be_acknowledged() {
    let mut scene = strict();
    play_on(
        &mut scene,
        &[Lives(7_000), Out(ACK, 5_000 + 64_001, 1_000, 100), Dies(440, Demise::Idle)],
    );
    let mut scene = strict();
    play_on(&mut scene, &[Out(ACK, 69_001, 1_000, 100), In(ACK, 1_000, 69_101, 0)]);
}

#[test]
fn a_reset_of_what_was_acknowledged_is_out_of_window() {
    let mut scene = strict();
    scene.outside(ACK, 5_000, 1_000, 1_000);
    scene.inside(ACK, 1_000, 6_000, 0);
    assert_eq!(scene.outside(RST, 5_500, 0, 0).inside, []);
    assert_eq!(scene.outside(RST | ACK, 6_000, 1_001, 0).inside, [], "of what was never sent");
    play_on(&mut scene, &[Lives(300), Out(RST | ACK, 6_000, 1_000, 0), Dies(240, Demise::Reset)]);
}

#[test]
fn who_opened_a_connection_asks_and_the_other_answers() {
    let mut scene = strict();
    assert_eq!(scene.outside(SYN, 90_000, 0, 0).inside, []);
    assert_eq!(scene.inside(SYN_ACK, 999, 5_000, 0).outside, []);
    assert_eq!(scene.outside(Flags::default(), 5_000, 1_000, 10).inside, [], "no flag");
    assert_eq!(scene.inside(SYN, 90_000, 0, 0).outside.len(), 1);
    assert_eq!(scene.outside(SYN_ACK, 4_999, 1_000, 0).inside.len(), 1);
}

#[test]
fn who_opens_a_connection_waits_for_the_answer() {
    let mut config = GatewayConfig::nat(addr("192.0.2.1:0").ip(), IdlePolicy::RFC);
    config.out_of_window = OutOfWindow::Drop;
    let mut scene = Scene::new(config);
    scene.inside(SYN, 999, 0, 0);
    assert_eq!(scene.inside(ACK, 1_000, 5_000, 0).outside, []);
    assert_eq!(scene.inside(SYN_ACK, 999, 5_000, 0).outside, []);
    assert_eq!(scene.outside(FIN_ACK, 5_000, 1_000, 0).inside, []);
    assert_eq!(scene.outside(SYN_ACK, 4_999, 1_001, 0).inside, [], "to a later SYN");
    assert_eq!(scene.outside(SYN_ACK, 4_999, 1_000, 0).inside.len(), 1);
    assert_eq!(scene.inside(ACK, 1_000, 5_001, 0).outside, [], "to what was not said");
    assert_eq!(scene.inside(ACK, 1_000, 5_000, 0).outside.len(), 1);
}

/// A gateway that takes up connections in their middle, and keeps their ports.
fn adopting() -> Scene {
    let idle = IdlePolicy { on_orphan_inside: OnOrphan::Adopt, ..policy() };
    let mut config = GatewayConfig::nat(addr("192.0.2.1:0").ip(), idle);
    config.out_of_window = OutOfWindow::Drop;
    config.translation.as_mut().unwrap().preserve_port = true;
    Scene::new(config)
}

#[test]
fn a_fin_takes_no_connection_up() {
    // net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks: a FIN in state NONE is invalid.
    assert_eq!(adopting().inside(FIN_ACK, 1_000, 5_000, 0).outside, []);
}

#[test]
fn the_answer_to_the_probe_that_took_a_connection_up_passes() {
    let mut scene = adopting();
    assert_eq!(scene.inside(ACK, 999, 5_000, 0).outside.len(), 1);
    assert_eq!(scene.outside(ACK, 5_000, 1_000, 0).inside.len(), 1);
    assert_eq!(scene.inside(ACK, 1_000, 5_000, 100).outside.len(), 1);
}
