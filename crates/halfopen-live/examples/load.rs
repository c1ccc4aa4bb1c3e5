//! Measures the sensor under load: how many packets a second it takes, what a packet costs, and how
//! many the kernel drops.
//!
//! ```sh
//! cargo run --release -p halfopen-live --example load -- [FLOWS] [PACKETS A SECOND] [SECONDS]
//! ```
//!
//! It makes a network namespace with a pair of interfaces, as root or in a user namespace. One
//! thread sends through one of them, packets of 100 bytes by which flows ask and answer in turn;
//! the sensor watches the other. With a rate of 0 it sends as fast as it can.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use halfopen_capture::{Limits, Patience};
use halfopen_core::wire::tcp::{Flags, Segment};
use halfopen_live::filter::Filter;
use halfopen_live::injector::Injector;
use halfopen_live::sensor::Sensor;
use halfopen_live::sniffer::Sniffer;

const INSIDE: &str = "HALFOPEN_LOAD_INSIDE";
const PAYLOAD: u32 = 46;
/// Frames that go to the kernel in one call.
const BATCH: usize = 64;
/// Where the identification and the sequence and acknowledgment numbers stand in a frame.
const IP_ID: usize = 14 + 4;
const SEQ: usize = 14 + 20 + 4;
const ACK: usize = 14 + 20 + 8;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if env::var_os(INSIDE).is_none() {
        return enter(&arguments);
    }
    let number = |at: usize, usual: u64| {
        arguments.get(at).map_or(Ok(usual), |text| text.replace('_', "").parse::<u64>())
    };
    let (flows, rate, secs) = (number(0, 10_000)?, number(1, 0)?, number(2, 10)?);
    for command in [
        "link add load0 numtxqueues 1 numrxqueues 1 type veth peer name load1",
        "link set load0 up",
        "link set load1 up",
    ] {
        let status = Command::new("ip").args(command.split(' ')).status()?;
        assert!(status.success(), "ip {command}");
    }
    // The interfaces announce themselves.
    thread::sleep(Duration::from_secs(1));
    measure(usize::try_from(flows)?, rate, Duration::from_secs(secs))?;
    Ok(ExitCode::SUCCESS)
}

/// Starts itself again in a namespace of its own.
fn enter(arguments: &[String]) -> Result<ExitCode, Box<dyn Error>> {
    let root = Command::new("id").arg("-u").output()?.stdout == b"0\n";
    let namespaces: &[&str] =
        if root { &["--net"] } else { &["--user", "--map-root-user", "--net"] };
    let status = Command::new("unshare")
        .args(namespaces)
        .arg(env::current_exe()?)
        .args(arguments)
        .env(INSIDE, "1")
        .status()?;
    Ok(ExitCode::from(u8::from(!status.success())))
}

fn measure(flows: usize, rate: u64, time: Duration) -> Result<(), Box<dyn Error>> {
    let stop = AtomicBool::new(false);
    let sniffer = Sniffer::open("load1", &Filter::default(), 32)?;
    let limits = Limits { flows: 1_000_000, paths: 10_000 };
    let mut sensor = Sensor::new(sniffer, limits, Patience::default(), 1);
    let mut news = Vec::new();
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(flows, rate, &stop));
        // The first packet of each flow makes room for it, which is not what is measured.
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            sensor.turn(&mut news)?;
        }
        let (before, spent, began) = (sensor.statistics(), on_processor()?, Instant::now());
        while began.elapsed() < time {
            sensor.turn(&mut news)?;
        }
        while !sensor.turn(&mut news)? {}
        let (took, after) = (began.elapsed(), sensor.statistics());
        let spent = on_processor()?.saturating_sub(spent);
        stop.store(true, Ordering::Relaxed);
        sending.join().map_err(|_| "the sender failed")??;

        let passed = after.packets - before.packets;
        let drops = after.drops - before.drops;
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let (passed_f, taken) = (passed as f64, (passed - drops) as f64);
        println!(
            "{flows} flows: {:.0} packets/s, {drops} dropped; the sensor {:.0} % of a core, {:.0} \
             ns a packet; {} connections remembered, {} news",
            passed_f / took.as_secs_f64(),
            spent.as_secs_f64() / took.as_secs_f64() * 100.0,
            spent.as_secs_f64() / taken * 1e9,
            sensor.monitor().holdings().connections,
            news.len(),
        );
        Ok(())
    })
}

/// Sends until it is to stop, at most `rate` packets a second.
fn send(flows: usize, rate: u64, stop: &AtomicBool) -> io::Result<()> {
    let injector = Injector::open("load0")?;
    let mut frames = frames(flows);
    let (mut sent, began) = (0_u64, Instant::now());
    for round in 0.. {
        for batch in frames.chunks_mut(BATCH) {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            for frame in &mut *batch {
                advance(frame, round);
            }
            sent += injector.send(batch)? as u64;
            let due = (sent * 1_000_000_000).checked_div(rate).map(Duration::from_nanos);
            while due.is_some_and(|due| began.elapsed() < due) {
                core::hint::spin_loop();
            }
        }
    }
    Ok(())
}

/// Returns a request and a response of each flow, to nobody's address.
fn frames(flows: usize) -> Vec<Vec<u8>> {
    let server = SocketAddr::from(([203, 0, 113, 7], 443));
    let bytes = vec![0x2e; PAYLOAD as usize];
    let packets = (0..flows).flat_map(|flow| {
        let [.., a, b, c, d] = flow.to_be_bytes();
        let client = SocketAddr::from(([10, a, b, c], 40_000 + u16::from(d)));
        [(client, server), (server, client)].map(|(src, dst)| {
            let segment = Segment::new(src, dst, Flags::PSH | Flags::ACK);
            let mut frame = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x08, 0x00];
            frame.extend(Segment { payload: &bytes, ..segment }.into_packet().bytes());
            frame
        })
    });
    packets.collect()
}

/// Makes a frame the flow's next one; it does not matter that its checksums are not right any more.
fn advance(frame: &mut [u8], round: u32) {
    let from_server = frame[14 + 12] == 203;
    let sent = round.wrapping_mul(PAYLOAD);
    let acked = if from_server { sent.wrapping_add(PAYLOAD) } else { sent };
    frame[SEQ..SEQ + 4].copy_from_slice(&sent.to_be_bytes());
    frame[ACK..ACK + 4].copy_from_slice(&acked.to_be_bytes());
    let [.., high, low] = round.to_be_bytes();
    frame[IP_ID..IP_ID + 2].copy_from_slice(&[high, low]);
}

/// Returns for how long this thread was on a processor (the first number there).
fn on_processor() -> Result<Duration, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(Duration::from_nanos(nanos))
}
