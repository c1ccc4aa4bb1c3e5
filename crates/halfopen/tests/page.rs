//! The report as a page, in a browser: it needs no network, complains of nothing, and runs nothing
//! that a capture, a log or the name of a file says.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use tempfile::TempDir;

const INCIDENT: &str = "captures/incident-nat350-alb1800-resttemplate/client.pcap";
const SILENT: &str = "captures/silent30-go/client.pcap";
const RACE: &str = "captures/keepalive-race-requests5/client.pcap";
const WARM: &str = "captures/healthy-warm-requests/client.pcap";

/// How a page is looked at: the window's width, and what it is told.
const LIGHT: (u32, &str) = (1100, "--blink-settings=preferredColorScheme=1");
const DARK: (u32, &str) = (1100, "--blink-settings=preferredColorScheme=0");
const NARROW: (u32, &str) = (500, "--blink-settings=preferredColorScheme=1");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Writes the report of some sources as a page, and returns its path.
fn page(folder: &TempDir, sources: &[&str]) -> PathBuf {
    let page = folder.path().join("report.html");
    let output = Command::new(cargo_bin("halfopen"))
        .current_dir(root())
        .args(["diagnose", "--quiet", "--force", "--html"])
        .arg(&page)
        .args(sources)
        .output()
        .unwrap();
    assert!(output.status.code() < Some(2) && output.stderr.is_empty(), "{output:?}");
    page
}

/// Opens a page without network and returns what the browser wrote to standard output; whatever
/// the page complains of on its console fails.
fn open(page: &Path, (width, look): (u32, &str), then: &str) -> String {
    let (out, console) = browse(page, (width, look), then);
    assert!(console.is_empty(), "{}: {console:#?}", page.display());
    out
}

fn browse(page: &Path, (width, look): (u32, &str), then: &str) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(chromium())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"])
        .args(["--enable-logging=stderr", look, then])
        .arg(format!("--window-size={width},1600"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let talk = String::from_utf8_lossy(&output.stderr);
    let console = talk.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned);
    (String::from_utf8_lossy(&output.stdout).into_owned(), console.collect())
}

fn chromium() -> PathBuf {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&folders)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .filter(|file| file.is_file());
    files.next().expect("Chromium is needed to look at pages: apt-get install chromium")
}

fn screenshot(page: &Path, look: (u32, &str)) -> Vec<u8> {
    let file = page.with_extension("png");
    open(page, look, &format!("--screenshot={}", file.display()));
    fs::read(file).unwrap()
}

#[test]
fn a_page_opens_in_light_in_dark_and_on_a_narrow_screen() {
    for capture in [INCIDENT, SILENT, RACE, WARM] {
        let folder = tempfile::tempdir().unwrap();
        let page = page(&folder, &[capture]);
        let [light, dark, narrow] = [LIGHT, DARK, NARROW].map(|look| screenshot(&page, look));
        // An empty page takes a few thousand bytes.
        assert!(light.len() > 20_000 && narrow.len() > 20_000, "{capture}");
        assert_ne!(light, dark, "{capture}");
    }
}

#[test]
fn a_page_names_nothing_that_is_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(page(&folder, &[SILENT])).unwrap();
    for word in [" src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn a_page_that_complains_would_be_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let page = page(&folder, &[WARM]);
    let text = fs::read_to_string(&page).unwrap();
    fs::write(&page, text.replace("<h1>", "<script>document.title = 'ours'</script><h1>")).unwrap();
    let (dom, console) = browse(&page, LIGHT, "--dump-dom");
    assert!(console.iter().any(|line| line.contains("Content Security Policy")), "{console:#?}");
    assert!(!dom.contains("<title>ours"));
}

#[test]
fn what_others_wrote_is_shown_and_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let name = "\"><script>document.title='ours'<\u{202e}.pcap";
    let file = folder.path().join(name);
    fs::write(&file, hostile(&fs::read(root().join(INCIDENT)).unwrap())).unwrap();
    let page = page(&folder, &[file.to_str().unwrap()]);
    let dom = open(&page, LIGHT, "--dump-dom");
    assert!(dom.contains("<title>A box on the path to 10.78.3.2:80"), "{dom}");
    assert!(dom.contains("&lt;script&gt;document.title='ours'&lt;\\u{202e}.pcap"));
    assert!(!dom.contains("<script") && !dom.contains("<img") && !dom.contains('\u{202e}'));
}

/// Returns a capture in which what clients call themselves is markup, byte for byte.
fn hostile(capture: &[u8]) -> Vec<u8> {
    let (name, markup) = (&b"Apache-HttpClient/4"[..], &b"<img src=a onerror="[..]);
    assert_eq!(name.len(), markup.len());
    let mut bytes = capture.to_vec();
    let places = 0..bytes.len() - name.len();
    let found: Vec<usize> = places.filter(|&at| bytes[at..].starts_with(name)).collect();
    assert!(!found.is_empty(), "the capture shows whose requests it holds");
    for at in found {
        bytes[at..at + name.len()].copy_from_slice(markup);
    }
    bytes
}

#[test]
fn a_source_that_can_be_read_once_has_no_pictures_and_the_page_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    let mut halfopen = assert_cmd::Command::new(cargo_bin("halfopen"));
    let output = halfopen
        .args(["diagnose", "--quiet", "-", "--html"])
        .arg(&page)
        .write_stdin(fs::read(root().join(INCIDENT)).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("no picture of single connections: `-` can be read only once"), "{text}");
    assert!(text.contains("How long may a connection be idle?"));
}
