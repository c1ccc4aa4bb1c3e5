//! How fast logs are read. They are made in memory: what is measured is the reader, not the disk.

use std::io::{Read, Write as _};
use std::sync::LazyLock;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use halfopen_core::balancer::log::AccessEntry;
use halfopen_core::rng::Rng;
use halfopen_core::time::Duration;
use halfopen_logs::reader::Form;
use halfopen_logs::{Lines, alb, flows};

/// Larger than most caches.
const SIZE: usize = 64 << 20;

fn main() {
    divan::main();
}

static ALB_ACCESS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (mut rng, mut log) = (Rng::new(1), Vec::with_capacity(SIZE + 1_024));
    while log.len() < SIZE {
        let created = Duration::from_micros(1_795_333_531_000_000 + rng.below(86_400_000_000));
        let [a, b, c, ..] = rng.bits().to_be_bytes();
        let entry = AccessEntry {
            time: created + Duration::from_millis(9),
            balancer: "app/pay-alb/50dc6c495c0c9188".to_owned(),
            client: ([10, a, b, c], 48_554).into(),
            target: Some(([10, 78, 4, 2], 8_080).into()),
            request_processing: Some(Duration::ZERO),
            target_processing: Some(Duration::from_millis(rng.below(1_000))),
            response_processing: Some(Duration::ZERO),
            status: 200,
            target_status: Some(200),
            received_bytes: 2_185,
            sent_bytes: 109,
            request: format!("POST http://10.78.3.2:80/pay/{} HTTP/1.1", rng.below(10_000)),
            user_agent: Some("Apache-HttpClient/4.5.14 (Java/17.0.15)".to_owned()),
            target_group: Some(
                "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/pay/73e2d6bc"
                    .to_owned(),
            ),
            trace_id: Some("Root=1-6b029d9b-000000000000000000000000".to_owned()),
            created,
            connection_trace: format!("TID_{:016x}", rng.bits()),
        };
        writeln!(log, "{entry}").expect("memory takes what is written");
    }
    log
});

#[divan::bench]
fn alb_access(bencher: Bencher<'_, '_>) {
    read(bencher, &alb::ACCESS, &ALB_ACCESS);
}

static VPC_FLOWS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (mut rng, mut log) = (Rng::new(2), Vec::with_capacity(SIZE + 1_024));
    while log.len() < SIZE {
        let [a, b, c, d, ..] = rng.bits().to_be_bytes();
        let (port, bytes) = (rng.below(65_536), rng.below(1 << 20));
        let start = 1_795_333_531 + rng.below(86_400);
        writeln!(
            log,
            "2 123456789012 eni-0{a:02x}{b:02x}{c:02x}9c0c9188aa 10.{a}.{b}.{c} 10.78.4.{d} {port} \
             443 6 20 {bytes} {start} {} ACCEPT OK",
            start + 60
        )
        .expect("memory takes what is written");
    }
    log
});

#[divan::bench]
fn vpc_flows(bencher: Bencher<'_, '_>) {
    read(bencher, &flows::FLOWS, &VPC_FLOWS);
}

fn read(bencher: Bencher<'_, '_>, form: &Form, log: &[u8]) {
    let lines = log.split(|&byte| byte == b'\n').count() - 1;
    let bencher = bencher.counter(BytesCount::of_slice(log)).counter(ItemsCount::new(lines));
    bencher.bench(|| {
        let mut source = log;
        let lines = Lines::new(&mut source as &mut dyn Read).expect("memory can be read");
        (form.read)(lines, &mut |record| {
            black_box(record);
        })
    });
}
