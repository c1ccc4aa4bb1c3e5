//! What the tests of other gateways look for.

use crate::cases::Row;
use crate::cases::{ACK, Conversation, FIN_ACK, RST, SYN, SYN_ACK, conversation, i, o, open};
use crate::fate::Outcome::{Answered, Dropped, Passed};
use crate::setup::Setup;

/// What Linux's own tests of conntrack look for
/// (`tools/testing/selftests/net/netfilter/packetdrill`).
pub(super) fn packetdrill() -> Vec<Conversation> {
    let silent = |name, rows| conversation(name, Setup::Silent, rows);
    vec![
        silent(
            "rst_invalid: no harm",
            open(&[o(RST, 900_000, 0, 0).is(Dropped), o(ACK, 5_000, 1_000, 100).after(3_400)]),
        ),
        silent(
            "rst: exact, the end",
            open(&[o(RST, 5_000, 0, 0), o(ACK, 5_000, 1_000, 100).after(1_370).is(Dropped)]),
        ),
        silent(
            "inexact_rst: enough after a FIN",
            open(&[
                i(FIN_ACK, 1_000, 5_000, 0),
                o(RST, 5_010, 0, 0),
                i(ACK, 1_001, 5_000, 0).after(1_370).is(Dropped),
            ]),
        ),
        silent(
            "syn_challenge_ack: and opens after it",
            vec![
                i(SYN, 999, 0, 0),
                o(ACK, 77_000, 900, 0),
                i(SYN, 999, 0, 0),
                o(SYN_ACK, 4_999, 1_000, 0),
                i(ACK, 1_000, 5_000, 0),
                o(ACK, 5_000, 1_000, 100).after(3_400),
            ],
        ),
        silent(
            "synack_old: no harm",
            vec![
                i(SYN, 999, 0, 0),
                o(SYN_ACK, 145_824_453, 643_160_523, 0).is(Dropped),
                o(SYN_ACK, 145_900_000, 1_000, 0),
                i(ACK, 1_000, 145_900_001, 0),
                o(ACK, 145_900_001, 1_000, 100).after(3_400),
            ],
        ),
    ]
}

/// The same, where an entry is there already.
pub(super) fn packetdrill_reuse() -> Vec<Conversation> {
    let silent = |name, rows| conversation(name, Setup::Silent, rows);
    vec![
        silent(
            "synack_reuse: a SYN on a live entry",
            open(&[
                i(ACK, 1_000, 5_000, 100),
                o(ACK, 5_000, 1_100, 0),
                i(SYN, 70_000, 0, 0),
                o(ACK, 5_000, 1_100, 0),
                i(RST, 1_100, 0, 0),
                i(SYN, 70_000, 0, 0),
                o(SYN_ACK, 800_000, 70_001, 0),
                i(ACK, 70_001, 800_001, 0),
                o(ACK, 800_001, 70_001, 100).after(3_400),
            ]),
        ),
        silent(
            "syn_ack: both ends know better",
            open(&[
                i(SYN, 70_000, 0, 0),
                o(SYN_ACK, 800_000, 70_001, 0),
                i(ACK, 70_001, 800_001, 0),
                o(ACK, 800_001, 70_001, 100).after(3_400),
            ]),
        ),
        silent("ack_loss_stall: none", {
            let data = |n: u32| o(ACK, 5_000 + n * 1_000, 1_000, 1_000);
            let lost = (0..10).chain(0..10).map(data).collect::<Vec<_>>();
            let rest = [i(ACK, 1_000, 15_000, 0), data(9).after(3_400), data(10)];
            open(&[lost.as_slice(), &rest].concat())
        }),
    ]
}

/// What the tests of VPP's NAT44-ED look for (`test_nat44_ed.py`), with the pauses of [`Setup`].
pub(super) fn vpp() -> Vec<Conversation> {
    [
        closings(),
        vec![
            resetting(
                "session_rst_timeout",
                vec![
                    i(SYN, 999, 0, 0),
                    o(SYN_ACK, 4_999, 1_000, 0),
                    i(RST, 1_000, 0, 0),
                    o(ACK, 5_000, 1_000, 0).after(1_370).is(Dropped),
                ],
            ),
            resetting(
                "session_rst_established_timeout",
                open(&[
                    i(RST, 1_000, 0, 0),
                    o(ACK, 5_000, 1_000, 10).after(500),
                    o(ACK, 5_010, 1_000, 10).after(1_370).is(Dropped),
                ]),
            ),
            resetting(
                "session_open_retransmit",
                vec![
                    i(SYN, 999, 0, 0),
                    i(SYN, 999, 0, 0).after(330),
                    o(SYN_ACK, 4_999, 1_000, 0).after(330),
                    o(SYN_ACK, 4_999, 1_000, 0).after(330),
                    i(ACK, 1_000, 5_000, 0),
                    i(ACK, 1_000, 5_000, 10).after(3_400),
                ],
            ),
            resetting(
                "half-closed, and still in use",
                open(&[
                    i(FIN_ACK, 1_000, 5_000, 0),
                    o(ACK, 5_000, 1_001, 1_000).after(2_390),
                    i(ACK, 1_001, 6_000, 0).after(2_390),
                    o(ACK, 6_000, 1_001, 1_000).after(3_400).is(Dropped),
                ]),
            ),
        ],
    ]
    .concat()
}

fn closings() -> Vec<Conversation> {
    let inside = [
        i(FIN_ACK, 1_000, 5_000, 0),
        o(ACK, 5_000, 1_001, 0),
        o(FIN_ACK, 5_000, 1_001, 0),
        i(ACK, 1_001, 5_001, 0),
    ];
    let outside = [
        o(FIN_ACK, 5_000, 1_000, 0),
        i(ACK, 1_000, 5_001, 0),
        i(FIN_ACK, 1_000, 5_001, 0),
        o(ACK, 5_001, 1_001, 0),
    ];
    let both = [
        i(FIN_ACK, 1_000, 5_000, 0),
        o(FIN_ACK, 5_000, 1_000, 0),
        i(ACK, 1_001, 5_001, 0),
        o(ACK, 5_001, 1_001, 0),
    ];
    let last = |pause, outcome| i(ACK, 1_001, 5_001, 0).after(pause).is(outcome);
    let then = |rows: &[Row], row: &[Row]| open(&[rows, row].concat());
    vec![
        resetting("session_close_in", then(&inside, &[last(1_370, Passed)])),
        resetting("session_close_in, over", then(&inside, &[last(2_390, Answered)])),
        resetting("session_close_out", then(&outside, &[last(2_390, Answered)])),
        resetting("session_close_simultaneous", then(&both, &[last(2_390, Answered)])),
        resetting(
            "session_reopen",
            then(
                &inside,
                &[
                    i(SYN, 90_000, 0, 0),
                    o(SYN_ACK, 600_000, 90_001, 0),
                    i(ACK, 90_001, 600_001, 0),
                    i(ACK, 90_001, 600_001, 10).after(3_400),
                ],
            ),
        ),
        resetting(
            "session_half_reopen_inside",
            then(
                &inside,
                &[i(SYN, 90_000, 0, 0), i(ACK, 1_001, 5_001, 0).after(2_390).is(Answered)],
            ),
        ),
    ]
}

fn resetting(name: &'static str, rows: Vec<Row>) -> Conversation {
    conversation(name, Setup::Resetting, rows)
}
