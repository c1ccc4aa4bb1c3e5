//! Other ways to measure the same paths, and the tables of docs/measure-methods.md.
//!
//! `UPDATE_DOCS=1 cargo test -p halfopen-measure --test simulated rivals` writes them anew.

use std::fmt::Write as _;
use std::{fs, path};

use halfopen_core::idle::{OnExpiry, OnOrphan};
use halfopen_core::rng::Rng;
use halfopen_core::time::Duration;
use halfopen_measure::answer::Outcome;
use halfopen_measure::settings::Settings;
use halfopen_sim::host::Host;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use crate::scene::{Middle, Scene};

/// The range in which all look, and how fine.
const RANGE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_hours(2));
const PRECISION: Duration = Duration::from_secs(1);
/// How long after its pause a connection has to answer: evilfwprober's two waits together.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many random paths are lossy.
const LOSSY: u64 = 20;

/// How a method came out.
#[derive(Clone, Copy, Debug)]
struct Score {
    bracket: Option<(Duration, Duration)>,
    took: Duration,
    packets: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
enum Method {
    Polite,
    Ladder,
    Doubling,
}

impl Method {
    const ALL: [Self; 3] = [Self::Polite, Self::Ladder, Self::Doubling];

    const fn title(self) -> &'static str {
        match self {
            Self::Polite => "**halfopen measure**",
            Self::Ladder => "ladder of three, as evilfwprober",
            Self::Doubling => "doubling, then halving",
        }
    }

    fn score(self, path: &Scene, seed: u64) -> Score {
        if let Self::Polite = self {
            let up_to = RANGE.1 + Duration::from_mins(1);
            let run = path.measure(Settings { up_to, seed, ..Settings::default() });
            let bracket = match &run.finding.outcome {
                Outcome::Limit(limit) => Some((limit.survived, limit.died)),
                Outcome::AtLeast { .. } | Outcome::Inconclusive { .. } => None,
            };
            let took = run.finding.effort.took;
            return Score { bracket, took, packets: run.packets, bytes: run.bytes };
        }
        let ((bracket, took), packets, bytes) = path.play(seed, async |client| {
            let begun = Instant::now();
            let bracket = match self {
                Self::Polite | Self::Ladder => ladder(&client).await,
                Self::Doubling => doubling(&client).await,
            };
            (bracket, begun.elapsed())
        });
        Score { bracket: Some(bracket), took, packets, bytes }
    }
}

/// Tells whether a connection works after a pause.
async fn survives(client: &Host, pause: Duration) -> bool {
    let ask = async |stream: &mut halfopen_sim::net::TcpStream| {
        stream.write_all(b"HEAD / HTTP/1.1\r\nHost: server\r\n\r\n").await?;
        stream.read(&mut [0; 256]).await
    };
    loop {
        let Ok(mut stream) = client.connect("server:80").await else { continue };
        let Ok(1..) = ask(&mut stream).await else { continue };
        sleep(pause).await;
        return matches!(timeout(PATIENCE, ask(&mut stream)).await, Ok(Ok(1..)));
    }
}

/// Three connections at a time, whose pauses divide what is open into equal ratios; the first that
/// fails ends the round.
async fn ladder(client: &Host) -> (Duration, Duration) {
    const RUNGS: i32 = 3;
    let (mut low, mut high) = RANGE;
    while high > low + PRECISION {
        let ratio = (high.as_secs_f64() / low.as_secs_f64()).powf(1.0 / f64::from(RUNGS + 1));
        let pause = |rung| (low.as_secs_f64() * ratio.powi(rung)).round();
        let mut pauses: Vec<Duration> =
            (1..=RUNGS).map(|rung| Duration::from_secs_f64(pause(rung))).collect();
        pauses.dedup();
        let known = (low, high);
        let tasks = pauses.into_iter().map(|pause| {
            let (host, client) = (client.clone(), client.clone());
            (pause, host.spawn(async move { survives(&client, pause).await }))
        });
        let tasks: Vec<_> = tasks.collect();
        for (pause, task) in tasks {
            if high == known.1 {
                if task.await.unwrap() {
                    low = low.max(pause);
                } else {
                    high = pause;
                }
            } else {
                task.abort();
            }
        }
        if (low, high) == known {
            break; // Whole seconds divide it no further.
        }
    }
    (low, high)
}

/// One connection at a time: twice the pause until it fails, then half of what is open.
async fn doubling(client: &Host) -> (Duration, Duration) {
    let (mut low, mut high) = (Duration::ZERO, RANGE.0);
    while high < 2 * RANGE.1 && survives(client, high).await {
        (low, high) = (high, high * 2);
    }
    while high > low + PRECISION {
        let middle = (low + high) / 2;
        if survives(client, middle).await {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low, high)
}

/// Returns a row for each limit and method.
fn limits() -> String {
    let mut table = "| limit | method | known after | packets | bytes | says |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for limit in [20_400, 60_400, 300_400, 1_800_400, 6_000_400].map(Duration::from_millis) {
        let path = Scene::new(vec![Middle::forgetting(limit, OnExpiry::Silent, OnOrphan::Drop)]);
        for method in Method::ALL {
            let Score { bracket, took, packets, bytes } = method.score(&path, 1);
            let says = bracket.map_or("nothing".to_owned(), |(low, high)| {
                format!("{:.1} s to {:.1} s", low.as_secs_f64(), high.as_secs_f64())
            });
            let _ = writeln!(
                table,
                "| {:.1} s | {} | {:.0} s | {packets} | {bytes} | {says} |",
                limit.as_secs_f64(),
                method.title(),
                took.as_secs_f64(),
            );
        }
    }
    table
}

/// Returns a row for each method on paths that lose packets.
fn lossy() -> String {
    let mut table =
        "| method | wrong | times the limit | packets |\n|---|---|---|---|\n".to_owned();
    for method in Method::ALL {
        let (mut wrong, mut times, mut packets) = (0, Vec::new(), Vec::new());
        for seed in 0..LOSSY {
            let mut rng = Rng::new(seed);
            let limit = Duration::from_millis(10_000 + rng.below(1_790_000));
            let orphan = *rng.pick(&[OnOrphan::Drop, OnOrphan::Reset]);
            let mut path = Scene::new(vec![Middle::forgetting(limit, OnExpiry::Silent, orphan)]);
            path.loss = 0.01;
            let score = method.score(&path, seed);
            let holds = score.bracket.is_some_and(|(low, high)| low < limit && limit <= high);
            wrong += u32::from(!holds);
            times.push(score.took.as_secs_f64() / limit.as_secs_f64());
            packets.push(score.packets);
        }
        times.sort_by(f64::total_cmp);
        packets.sort_unstable();
        let middle = times.len() / 2;
        let (times, packets) = (times[middle], packets[middle]);
        let title = method.title();
        let _ = writeln!(table, "| {title} | {wrong} of {LOSSY} | {times:.2} | {packets} |");
    }
    table
}

#[test]
fn the_tables_of_the_measurement_are_current() {
    let page = path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/measure-methods.md");
    let text = fs::read_to_string(&page).expect("docs/measure-methods.md");
    let current = replaced(&replaced(&text, "limits", &limits()), "lossy", &lossy());
    #[expect(clippy::disallowed_methods, reason = "a test is told from outside what to do")]
    if std::env::var("UPDATE_DOCS").is_ok() {
        fs::write(&page, &current).expect("docs/measure-methods.md");
        return;
    }
    assert!(
        text == current,
        "docs/measure-methods.md is out of date: \
         UPDATE_DOCS=1 cargo test -p halfopen-measure --test simulated rivals"
    );
}

/// Returns `text` with what stands between the marks of `part` replaced by `table`.
fn replaced(text: &str, part: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->"));
    let (before, rest) = text.split_once(&begin).expect("the mark of the beginning");
    let (_, after) = rest.split_once(&end).expect("the mark of the end");
    format!("{before}{begin}\n{table}\n{end}{after}")
}
