//! One conversation for each known difference.

use halfopen_core::hop::Side;

use crate::cases::{ACK, Conversation, FIN_ACK, RST, SYN, SYN_ACK, conversation, i, o, open};
use crate::cases::{Row, datagram};
use crate::fate::Outcome::{Answered, Dropped, Passed};
use crate::setup::Setup;

/// Returns one case of each known difference, under its name.
pub(crate) fn different() -> Vec<Conversation> {
    [of_states(), of_memory()].concat()
}

fn of_states() -> Vec<Conversation> {
    vec![
        silent(
            "udp-stream",
            vec![
                datagram(Side::Inside),
                datagram(Side::Outside),
                datagram(Side::Outside).after(1_370).theirs(Dropped),
            ],
        ),
        conversation(
            "strangers-are-invalid",
            Setup::Adopting,
            vec![o(FIN_ACK, 5_000, 1_000, 0).is(Answered).theirs(Dropped)],
        ),
        conversation(
            "liberal-is-not-blind",
            Setup::SilentLenient,
            open(&[i(SYN_ACK, 999, 5_000, 0).theirs(Dropped)]),
        ),
        conversation(
            "liberal-counts",
            Setup::SilentLenient,
            open(&[
                i(ACK, 900_000, 5_000, 0).after(2_390),
                i(ACK, 1_000, 5_000, 100).after(2_390).is(Dropped).theirs(Passed),
            ]),
        ),
        conversation(
            "taken-up",
            Setup::Adopting,
            vec![i(ACK, 1_000, 5_000, 100), o(ACK, 5_000, 900_000, 0).is(Dropped).theirs(Passed)],
        ),
        silent(
            "reset-while-opening",
            vec![i(SYN, 999, 0, 0), o(RST, 77, 0, 0), o(SYN_ACK, 4_999, 1_000, 0).theirs(Dropped)],
        ),
        silent(
            "reset-while-closing",
            open(&[i(FIN_ACK, 1_000, 5_000, 0), o(RST, 900_000, 0, 0).is(Dropped).theirs(Passed)]),
        ),
    ]
}

fn of_memory() -> Vec<Conversation> {
    vec![
        silent(
            "inexact-reset",
            open(&[o(RST, 5_010, 0, 0), i(ACK, 1_000, 5_000, 100).after(1_370).theirs(Dropped)]),
        ),
        silent(
            "repeated-handshake",
            vec![
                i(SYN, 999, 0, 0),
                i(SYN, 999, 0, 0).after(1_370),
                o(SYN_ACK, 4_999, 1_000, 0).after(1_370).theirs(Dropped),
            ],
        ),
        silent(
            "lower-second-syn",
            vec![
                i(SYN, 900_000_999, 0, 0),
                i(SYN, 999, 0, 0),
                o(SYN_ACK, 4_999, 1_000, 0),
                i(ACK, 1_000, 5_000, 0).theirs(Dropped),
            ],
        ),
        silent(
            "simultaneous-open",
            vec![
                i(SYN, 999, 0, 0),
                o(SYN, 4_999, 0, 0),
                i(SYN_ACK, 999, 5_000, 0),
                o(SYN_ACK, 4_999, 1_000, 0),
                i(ACK, 1_000, 5_000, 100).after(2_390).theirs(Dropped),
            ],
        ),
        silent(
            "syn-after-reset",
            open(&[
                o(RST, 5_000, 0, 0),
                i(SYN, 70_000, 0, 0),
                o(SYN_ACK, 90_000, 70_001, 0).after(1_370).theirs(Dropped),
            ]),
        ),
        silent(
            "second-fin",
            open(&[
                o(ACK, 5_000, 1_000, 1_000),
                i(FIN_ACK, 1_000, 6_000, 0),
                o(FIN_ACK, 5_500, 1_001, 0),
                i(ACK, 1_001, 6_000, 0).after(2_390).theirs(Dropped),
            ]),
        ),
        silent(
            "syn-on-live",
            open(&[i(SYN, 900_000_000, 0, 0), i(RST, 77, 0, 0).is(Dropped).theirs(Passed)]),
        ),
    ]
}

fn silent(name: &'static str, rows: Vec<Row>) -> Conversation {
    conversation(name, Setup::Silent, rows)
}
