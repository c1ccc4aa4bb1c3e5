//! The module dies at any instant, and clients ask again.

use halfopen_billing::payment::settings::Slowness;
use tokio::time::{sleep, timeout};

use super::*;

const RUNS: u64 = 200;
const ORDERS: u64 = 20;

/// Asks with one key until there is an answer, each time on a new connection.
async fn pay_until_answered(number: u64) {
    let order = ORDER.replace("s1", &format!("s{number}"));
    for _ in 0..1000 {
        let attempt = async {
            let stream = TcpStream::connect("payment:8080").await.ok()?;
            let mut client = Client { stream };
            let text = request(&format!("key-{number}"), &order);
            client.stream.write_all(text.as_bytes()).await.ok()?;
            let mut status = [0; 12];
            client.stream.read_exact(&mut status).await.ok()?;
            Some(String::from_utf8_lossy(&status[9..]).into_owned())
        };
        let answered = timeout(Duration::from_millis(700), attempt).await.ok().flatten();
        match answered.as_deref() {
            Some("201" | "200") => return,
            Some("409") | None => sleep(Duration::from_millis(50)).await,
            Some(other) => panic!("order {number} was answered with {other}"),
        }
    }
    panic!("order {number} was never answered");
}

/// Kills the module again and again, and starts it anew each time.
async fn crash_often(server: Host, module: Module<Arc<Sqlite>>, mut rng: Rng) {
    for _ in 0..5 {
        sleep(Duration::from_millis(rng.below(1500))).await;
        if rng.chance(0.5) {
            server.kill();
        } else {
            server.power_cut();
        }
        sleep(Duration::from_millis(1 + rng.below(100))).await;
        start(&server, &module);
    }
}

#[test]
fn every_order_is_charged_exactly_once_whenever_the_module_dies() {
    for seed in 0..RUNS {
        let slow = |chance| Slowness { chance, least: Duration::ZERO, most: seconds(1) };
        let mut scene = Scene::new(|settings| {
            settings.work = slow(0.5);
            settings.answer = slow(0.5);
        });
        let crashing = crash_often(scene.server.clone(), scene.module.clone(), Rng::new(seed));
        let operator = scene.client.spawn(crashing);
        scene.run(async move {
            for number in 0..ORDERS {
                pay_until_answered(number).await;
            }
            operator.await.unwrap();
        });
        let charged = scene.charged();
        assert_eq!(charged.len() as u64, ORDERS, "seed {seed}: charges were lost");
        assert!(charged.values().all(|times| *times == 1), "seed {seed}: {charged:?}");
    }
}
