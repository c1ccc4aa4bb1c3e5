//! Why the command could not do what it was asked, and what to do about it.

use std::io;
use std::path::PathBuf;

use halfopen_capture::pcap;
use halfopen_core::client::Client;
use halfopen_core::scenario::DocumentError;
use halfopen_lab::{hunt, reproduce, sweep, traffic};
use halfopen_logs::FORMS;
use halfopen_logs::pattern::PatternError;

use crate::billing::BillingFailure;
#[cfg(target_os = "linux")]
use crate::diagnose::LiveFailure;
use crate::measure::MeasureFailure;
#[cfg(target_os = "linux")]
use crate::prevent::GuardFailure;
#[cfg(target_os = "linux")]
use crate::reproduce::LabFailure;

/// Why the command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("there is no file `{}`", .0.display())]
    Missing(PathBuf),
    #[error("`{}` is a directory", .0.display())]
    Directory(PathBuf),
    #[error("nothing in `{}` is a capture or a log of a known form", .0.display())]
    NothingIn(PathBuf),
    #[error("there is no form of log called `{0}`")]
    NoForm(String),
    #[error("`{}`: {error}", path.display())]
    Pattern { path: PathBuf, error: Box<PatternError> },
    #[error("no permission to read `{}`", .0.display())]
    Permission(PathBuf),
    #[error("cannot read `{}`: {error}", path.display())]
    Open { path: PathBuf, error: io::Error },
    #[error("standard input is given twice")]
    StdinTwice,
    #[error("{input}: {error}")]
    Capture { input: String, error: pcap::Error },
    #[error("{input}: {frames} frames, all of {link}, which is not read")]
    Link { input: String, frames: u64, link: pcap::Link },
    #[error("cannot write the report: {0}")]
    Write(io::Error),
    #[cfg(feature = "parquet")]
    #[error("no source shows a client's address to call the evidence by")]
    NoHost,
    #[cfg(feature = "parquet")]
    #[error("`{}` is no evidence, and other files are", .0.display())]
    NoEvidence(PathBuf),
    #[cfg(feature = "parquet")]
    #[error("{input}: {error}")]
    Evidence { input: String, error: halfopen_diagnosis::evidence::file::Error },
    #[error("there is no verb `{0}`")]
    NoVerb(String),
    #[error("nothing in `{}` is a configuration of a known form", .0.display())]
    NothingToCheck(PathBuf),
    #[error("there is no product `{0}`")]
    NoProduct(String),
    #[error("there is no scenario `{0}`")]
    NoScenario(String),
    #[error("there is no client `{0}`")]
    NoClient(String),
    #[error("there is no hunt `{0}`")]
    NoHunt(String),
    #[error("{file}: {error}")]
    Document { file: String, text: String, error: DocumentError },
    #[error("the scenario `{scenario}` cannot be run: {error}")]
    Run { scenario: String, error: reproduce::Error },
    #[error("`{0}` is neither a rate nor a cron line, and there is no such file")]
    NoTraffic(String),
    #[error("{}{error}", .input.as_ref().map_or(String::new(), |input| format!("{input}: ")))]
    Traffic { input: Option<String>, error: traffic::Error },
    #[error("the hunt `{hunt}` comes to no end: {error}")]
    Hunt { hunt: String, error: hunt::Error },
    #[error("the sweep of `{scenario}` comes to no end: {error}")]
    Sweep { scenario: String, error: sweep::Error },
    #[error("`{}` can be read only once", .0.display())]
    ReadOnce(PathBuf),
    #[error("`--annotate` copies one capture, and there are {0}")]
    NotOneCapture(usize),
    #[error("`{}` is one of the captures", .0.display())]
    OwnInput(PathBuf),
    #[error("`{}` is there already", .0.display())]
    Exists(PathBuf),
    #[error("cannot write `{}`: {error}", path.display())]
    Save { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Billing(#[from] BillingFailure),
    #[error(transparent)]
    Measure(#[from] MeasureFailure),
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Live(#[from] LiveFailure),
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Lab(#[from] LabFailure),
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Guard(#[from] GuardFailure),
    #[cfg(not(target_os = "linux"))]
    #[error("interfaces can be watched on Linux only")]
    NotLinux,
    #[cfg(not(target_os = "linux"))]
    #[error("real packets take Linux: its network namespaces and TUN devices")]
    NoLab,
    #[cfg(not(target_os = "linux"))]
    #[error("connections are guarded by the Linux kernel only")]
    NoGuard,
}

impl Failure {
    /// Returns what went wrong as a file was opened.
    pub(crate) fn open(path: &std::path::Path, error: io::Error) -> Self {
        let path = path.to_owned();
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing(path)
        } else if error.kind() == io::ErrorKind::PermissionDenied {
            Self::Permission(path)
        } else {
            Self::Open { path, error }
        }
    }

    /// Returns what the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Directory(path) => {
                return Some(format!("name the files in it: {}/*", path.display()));
            }
            Self::NothingIn(_) | Self::NoForm(_) => return Some(known_forms()),
            Self::NoClient(_) => return Some(known_clients()),
            Self::NoScenario(_) => {
                "`halfopen reproduce --list` names those that ship; a file is named with its ending"
            }
            Self::NothingToCheck(_) => "docs/check.md says what can be read, and what not yet",
            Self::NoProduct(_) => "`halfopen profiles list` names those that are known",
            Self::NoTraffic(_) => {
                "a rate is like 5/s or 200/day, a cron line like 'cron:*/20 * * * * x10'"
            }
            Self::NoHunt(_) => "the one that ships is `incident`; a file is named with its ending",
            Self::NoVerb(_) => "`halfopen --help` names the verbs",
            Self::ReadOnce(_) => "write the capture to a file first",
            Self::NotOneCapture(_) => "join them with mergecap (of Wireshark), or name one of them",
            Self::OwnInput(_) => "choose another name: captures are evidence",
            Self::Exists(_) => "no file is overwritten: choose another name",
            Self::Permission(_) => {
                "captures made by root belong to root: change their owner, or use sudo"
            }
            Self::Sweep { error: sweep::Error::TooManyRuns, .. } => {
                "take a longer `--step`; with chance on the path, none"
            }
            Self::StdinTwice => "it can be read once; write one of the captures to a file",
            Self::Pattern { .. } => "docs/logs.md describes the file; patterns/ has examples",
            Self::Billing(failure) => return failure.hint(),
            Self::Measure(failure) => return failure.hint().map(str::to_owned),
            #[cfg(target_os = "linux")]
            Self::Live(failure) => return failure.hint(),
            #[cfg(target_os = "linux")]
            Self::Lab(_) => return None,
            #[cfg(target_os = "linux")]
            Self::Guard(failure) => return failure.hint(),
            #[cfg(not(target_os = "linux"))]
            Self::NoGuard => "the client's own settings: docs/clients.md",
            #[cfg(not(target_os = "linux"))]
            Self::NoLab => "without --live the scenario runs in virtual time, on any system",
            #[cfg(not(target_os = "linux"))]
            Self::NotLinux => "capture with tcpdump, and read the capture",
            Self::Capture { error, .. } => return hint_for_capture(error),
            Self::Link { .. } => {
                "capture on an interface with IP packets, such as `tcpdump -i any`"
            }
            #[cfg(feature = "parquet")]
            Self::NoHost => "say whose evidence it is: --host NAME",
            #[cfg(feature = "parquet")]
            Self::NoEvidence(_) => {
                "diagnose captures and logs first, with --evidence FILE; then what that wrote"
            }
            #[cfg(feature = "parquet")]
            Self::Evidence { .. } => return None,
            Self::Missing(_)
            | Self::Open { .. }
            | Self::Write(_)
            | Self::Document { .. }
            | Self::Run { .. }
            | Self::Hunt { .. }
            | Self::Sweep { .. }
            | Self::Traffic { .. }
            | Self::Save { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// Names the clients that ship.
fn known_clients() -> String {
    let names: Vec<&str> = Client::names().collect();
    format!("a file is named with its ending; known are {}", names.join(", "))
}

/// Names the forms of logs that are read.
fn known_forms() -> String {
    let names: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
    format!("the forms of logs are {}", names.join(", "))
}

fn hint_for_capture(error: &pcap::Error) -> Option<String> {
    let hint = match *error {
        pcap::Error::TooShort { length: 0 } => {
            "whoever captured wrote nothing: tcpdump -U writes each packet at once"
        }
        pcap::Error::NotACapture { magic } => return Some(guess(magic)),
        pcap::Error::Compressed { with: "zstd" } => "zstd -dc FILE | halfopen diagnose -",
        pcap::Error::Compressed { with: "xz" } => "xz -dc FILE | halfopen diagnose -",
        pcap::Error::Compressed { with: "lz4" } => "lz4 -dc FILE | halfopen diagnose -",
        pcap::Error::Compressed { with: "bzip2" } => "bzip2 -dc FILE | halfopen diagnose -",
        pcap::Error::Compressed { with: "zip" } => "unzip -p FILE | halfopen diagnose -",
        pcap::Error::Version { .. } => "editcap (of Wireshark) may convert it: editcap FILE NEW",
        pcap::Error::Compressed { .. }
        | pcap::Error::TooShort { .. }
        | pcap::Error::Read { .. }
        | pcap::Error::Gzip { .. }
        | pcap::Error::Cut { .. }
        | pcap::Error::FrameLength { .. }
        | pcap::Error::Block { .. } => return None,
    };
    Some(hint.to_owned())
}

/// Says what a file probably is that starts with `magic`.
fn guess(magic: [u8; 4]) -> String {
    // The marks of capture formats are those of Wireshark's wiretap/*.c.
    let other_capture = match &magic {
        b"snoo" => Some("a capture of Solaris snoop"),
        b"GMBU" | b"RTSS" => Some("a capture of Microsoft Network Monitor"),
        b"XCP\0" => Some("a capture of NetXRay"),
        b"TRSN" => Some("a capture of Sniffer"),
        _ => None,
    };
    if let Some(kind) = other_capture {
        return format!("it is {kind}; editcap (of Wireshark) converts it: editcap FILE NEW");
    }
    let kind = match &magic {
        b"\x7fELF" => "a program",
        b"%PDF" => "a PDF document",
        b"\x89PNG" => "a picture",
        b"SQLi" => "a database",
        [b'{' | b'[', ..] => "JSON",
        [b'<', ..] => "HTML or XML",
        text if text.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e)) => {
            return format!(
                "it looks like text, and like no log: {}; what tcpdump prints is no capture, what \
                 it writes with -w is",
                known_forms()
            );
        }
        _ => return "a capture is what tcpdump -w or Wireshark write".to_owned(),
    };
    format!("it looks like {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_a_file_is() {
        assert!(guess(*b"12:0").contains("tcpdump prints"));
        assert!(guess(*b"snoo").contains("editcap"));
        assert!(guess([0xde, 0xad, 0xbe, 0xef]).contains("tcpdump -w"));
    }
}
