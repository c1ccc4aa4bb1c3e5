//! What outlives a client: its ledger in a file.

use std::fs;
use std::path::{Path as FilePath, PathBuf};

use halfopen_core::idle::OnOrphan;
use halfopen_pool::client::Warning;
use halfopen_pool::policy::Policy;
use halfopen_pool::shelf::Discard;
use tokio::time::sleep;

use super::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("halfopen-pool-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn ledger(&self) -> PathBuf {
        self.0.join("ledger.toml")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left there belongs to nobody.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// Meets the gateway's limit once if it is not known, with a client whose ledger is in `file`.
/// Returns the requests that failed.
fn day(file: &FilePath) -> (Scene, Client, u32) {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::learning()).ledger_file(file).build().unwrap();
    let failed = scene.run({
        let client = client.clone();
        async move {
            let mut failed = 0;
            for pause in [1, 100, 1_200, 1_200, 100] {
                failed += u32::from(post(&client).await.is_err());
                sleep(seconds(pause)).await;
            }
            failed
        }
    });
    (scene, client, failed)
}

#[test]
fn what_was_learnt_is_not_learnt_again_after_a_restart() {
    let folder = Folder::new("restart");
    let file = folder.ledger();
    let (_, client, failed) = day(&file);
    assert_eq!(failed, 1, "somebody has to find out");
    let [Warning::NoLedgerYet(missing)] = client.warnings() else { panic!("one warning") };
    assert_eq!(*missing, file);
    client.save_ledger().unwrap();

    let (scene, client, failed) = day(&file);
    assert_eq!((failed, client.warnings().len()), (0, 0));
    assert!(scene.tally().discarded.contains_key(&Discard::LearntCap), "{:?}", scene.tally());
    client.save_ledger().unwrap();
    let left: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(left, [file], "nothing lies about beside it");
}

#[test]
fn a_corrupt_ledger_is_named_and_replaced_only_when_saved() {
    let folder = Folder::new("corrupt");
    for corrupt in ["connections = fast", "\u{0}\u{1}", "[[path]]\nto = 7\n"] {
        let file = folder.ledger();
        fs::write(&file, corrupt).unwrap();
        let (_, client, failed) = day(&file);
        let [Warning::BadLedger { file: named, .. }] = client.warnings() else {
            panic!("{corrupt:?}: {:?}", client.warnings())
        };
        assert_eq!((named, failed), (&file, 1));
        assert!(client.warnings()[0].to_string().contains("begins without a ledger"));
        assert_eq!(fs::read_to_string(&file).unwrap(), corrupt);
        client.save_ledger().unwrap();
        assert_eq!(day(&file).2, 0);
    }
}

#[test]
fn what_cannot_be_read_or_written_is_said_and_harms_nothing() {
    let folder = Folder::new("unwritable");
    // A folder stands where the file should.
    let (_, client, failed) = day(&folder.0);
    assert!(matches!(client.warnings(), [Warning::BadLedger { .. }]), "{:?}", client.warnings());
    assert_eq!(failed, 1);
    client.save_ledger().unwrap_err();

    let nowhere = folder.0.join("no such folder").join("ledger.toml");
    let (_, client, _) = day(&nowhere);
    assert!(matches!(client.warnings(), [Warning::NoLedgerYet(_)]), "{:?}", client.warnings());
    client.save_ledger().unwrap_err();
}

/// `/dev/full` is Linux's: whatever is written to it finds no space left.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_ledger_that_was_there() {
    let folder = Folder::new("full");
    let file = folder.ledger();
    day(&file).1.save_ledger().unwrap();
    let before = fs::read_to_string(&file).unwrap();
    let beside = folder.0.join("ledger.toml.new");
    std::os::unix::fs::symlink("/dev/full", &beside).unwrap();
    let error = day(&file).1.save_ledger().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}

#[test]
fn a_policy_that_does_not_learn_reads_and_writes_nothing() {
    let folder = Folder::new("incurious");
    let file = folder.ledger();
    let scene = Scene::new(OnOrphan::Reset);
    let client = scene.builder(Policy::learning()).learns(false).ledger_file(&file).build();
    let client = client.unwrap();
    client.save_ledger().unwrap();
    assert!(client.warnings().is_empty() && !file.exists());
}
