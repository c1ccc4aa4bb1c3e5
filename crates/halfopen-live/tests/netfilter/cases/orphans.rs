//! A flow that was forgotten, and who speaks of it next.

use crate::cases::{ACK, Conversation, FIN_ACK, SYN, SYN_ACK, conversation, i, o, open};
use crate::fate::Outcome::{Answered, Dropped, Passed};
use crate::setup::Setup;

/// Returns what the next request meets after a pause that was too long, and after one that was not.
pub(super) fn conversations() -> Vec<Conversation> {
    let request = i(ACK, 1_000, 5_000, 100).after(4_420);
    let meets = |outcome| open(&[request.is(outcome)]);
    vec![
        conversation("taken up again on its own port", Setup::Adopting, meets(Passed)),
        conversation("taken up under another port", Setup::Elsewhere, meets(Passed)),
        conversation("taken up, and answered", Setup::Lenient, {
            [meets(Passed), vec![o(ACK, 5_000, 1_100, 200), i(ACK, 1_100, 5_200, 0)]].concat()
        }),
        conversation("swallowed", Setup::Silent, meets(Dropped)),
        conversation("reset", Setup::Resetting, meets(Answered)),
        conversation(
            "alive before it",
            Setup::Resetting,
            open(&[
                i(ACK, 1_000, 5_000, 100).after(3_400),
                o(ACK, 5_000, 1_100, 100).after(3_400),
                i(ACK, 1_100, 5_100, 0).after(3_400),
            ]),
        ),
        conversation(
            "kept by probes",
            Setup::Resetting,
            open(&[
                i(ACK, 999, 5_000, 0).after(3_400),
                o(ACK, 5_000, 1_000, 0),
                i(ACK, 1_000, 5_000, 100).after(3_400),
            ]),
        ),
        conversation(
            "a probe is an orphan, too",
            Setup::Resetting,
            open(&[i(ACK, 999, 5_000, 0).after(4_420).is(Answered)]),
        ),
        conversation(
            "taken up by a probe",
            Setup::Adopting,
            open(&[
                i(ACK, 999, 5_000, 0).after(4_420),
                o(ACK, 5_000, 1_000, 0),
                i(ACK, 1_000, 5_000, 100),
            ]),
        ),
        conversation(
            "a FIN takes nothing up",
            Setup::Adopting,
            open(&[i(FIN_ACK, 1_000, 5_000, 0).after(4_420).is(Dropped)]),
        ),
        conversation(
            "the far end is a stranger",
            Setup::Adopting,
            open(&[o(ACK, 5_000, 1_000, 100).after(4_420).is(Answered)]),
        ),
        conversation(
            "the far end is not heard",
            Setup::Silent,
            open(&[o(ACK, 5_000, 1_000, 100).after(4_420).is(Dropped)]),
        ),
        conversation(
            "a new connection follows",
            Setup::Silent,
            open(&[
                i(ACK, 1_000, 5_000, 100).after(4_420).is(Dropped),
                i(SYN, 70_000, 0, 0),
                o(SYN_ACK, 90_000, 70_001, 0),
                i(ACK, 70_001, 90_001, 10),
            ]),
        ),
    ]
}
