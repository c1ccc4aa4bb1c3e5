//! What the style guide in CONTRIBUTING.md can have checked by machine and no lint checks.
//!
//! Each test collects all offences before it fails, and names each with its file and line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use halfopen_core::client::{Client, Hint};
use halfopen_core::fact::Fact;
use halfopen_core::profile::Profile;
use halfopen_core::scenario::Scenario;
use halfopen_core::sheet::Sheet;
use halfopen_lab::hunt::Hunt;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARS_MAX: usize = 100;

/// Module names that say what kind of thing is in them and not what for.
const EMPTY_NAMES: &[&str] =
    &["common", "constants", "helper", "helpers", "manager", "misc", "types", "util", "utils"];

#[test]
fn a_file_has_no_more_lines_than_one_can_keep_in_mind() {
    let offences = files(&["rs"]).into_iter().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", file.name))
    });
    none("files are longer than 600 lines", offences);
}

#[test]
fn a_function_has_no_more_lines_than_a_screen() {
    let offences = files(&["rs"]).into_iter().flat_map(|file| {
        let long =
            functions(&file.text).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX);
        long.map(|(line, lines)| format!("{}:{line}: {lines} lines", file.name)).collect::<Vec<_>>()
    });
    none("functions are longer than 70 lines", offences);
}

#[test]
fn a_line_of_code_fits_the_page() {
    let offences = files(&["rs"])
        .into_iter()
        .flat_map(|file| offending_lines(&file, |line| line.chars().count() > LINE_CHARS_MAX));
    none("lines are longer than 100 characters", offences);
}

#[test]
fn a_module_is_a_file_with_a_name_that_says_what_for() {
    let offences = files(&["rs"]).into_iter().filter_map(|file| {
        let empty = file.parts().any(|part| {
            let stem = part.strip_suffix(".rs").unwrap_or(part);
            stem == "mod" || EMPTY_NAMES.contains(&stem)
        });
        empty.then_some(file.name)
    });
    none("modules have names without meaning", offences);
}

#[test]
fn what_is_left_to_do_is_an_issue() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let names_issue = |after: &str| {
        let number = after.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
        number.is_some_and(|(number, _)| number.parse::<u32>().is_ok())
    };
    let offences = files(&["rs", "toml", "md", "run"]).into_iter().flat_map(|file| {
        offending_lines(&file, |line| {
            marks.iter().any(|mark| line.split(mark).skip(1).any(|after| !names_issue(after)))
        })
    });
    none("marks name no issue, as in (#12)", offences);
}

#[test]
fn a_products_number_stands_in_its_file_only() {
    let numbers = product_numbers();
    let known = [350, 55_000].iter().all(|number| numbers.contains(number));
    assert!(known, "the files yield {numbers:?} only");
    let offences = files(&["rs"]).into_iter().filter(File::is_shipped_code).flat_map(|file| {
        let code = code_only(before_tests(&file.text));
        let found = code.lines().zip(1..).flat_map(|(line, at)| {
            integers(line)
                .into_iter()
                .filter(|number| numbers.contains(number))
                .map(|number| format!("{}:{at}: {number}", file.name))
                .collect::<Vec<_>>()
        });
        found.collect::<Vec<_>>()
    });
    none("numbers of products stand in code", offences);
}

#[test]
fn every_profile_client_scenario_and_hunt_in_the_tree_ships_and_no_other() {
    for (folder, shipped) in [
        ("clients", Client::names().collect()),
        ("profiles", Profile::names().collect::<BTreeSet<_>>()),
        ("sheets", Sheet::names().collect()),
        ("scenarios", Scenario::names().collect()),
        ("hunts", Hunt::names().collect()),
    ] {
        let tree = files(&["toml"]);
        let stems: BTreeSet<&str> = tree
            .iter()
            .filter_map(|file| file.name.strip_prefix(folder)?.strip_prefix('/'))
            .filter_map(|name| name.strip_suffix(".toml"))
            .collect();
        assert_eq!(stems, shipped, "{folder}/ and the list of those that ship");
    }
}

#[test]
fn every_value_of_a_profile_or_a_client_has_a_source_and_a_date() {
    let profiles = Profile::names().map(|name| (name, Profile::shipped(name).expect(name).facts));
    let clients = Client::names().map(|name| (name, Client::shipped(name).expect(name).facts));
    let sheets = Sheet::names().map(|name| (name, Sheet::shipped(name).expect(name).facts));
    let bare = |fact: &Fact| {
        !fact.source.url.starts_with("https://") || fact.source.read.len() != "2026-04-13".len()
    };
    let offences = profiles.chain(clients).chain(sheets).flat_map(|(name, facts)| {
        let bare = facts.into_iter().filter(bare);
        bare.map(|fact| format!("{name}: {}", fact.key)).collect::<Vec<_>>()
    });
    none("values have no source or no date", offences);
}

#[test]
fn every_direct_dependency_says_in_deny_toml_what_for() {
    let deny = read("deny.toml");
    let stated: BTreeSet<String> = deny
        .lines()
        .filter_map(|line| line.strip_prefix("# dependency "))
        .filter_map(|line| {
            let (name, what_for) = line.split_once(' ')?;
            (!what_for.trim().is_empty()).then(|| name.to_owned())
        })
        .collect();
    let used: BTreeSet<String> = files(&["toml"])
        .iter()
        .filter(|file| file.parts().any(|part| part == "Cargo.toml"))
        .flat_map(|file| dependencies(&file.text))
        .filter(|name| !name.starts_with("halfopen"))
        .collect();
    let offences = used.symmetric_difference(&stated).cloned();
    none("dependencies are used and not stated, or stated and not used", offences);
}

#[test]
fn links_in_documents_lead_somewhere() {
    let offences = files(&["md"]).into_iter().flat_map(|file| {
        let folder = root().join(&file.name).parent().expect("a folder").to_owned();
        let broken = links(&file.text).into_iter().filter(|(_, link)| {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { root().join(&file.name) } else { folder.join(path) };
            !target.exists() || !(anchor.is_empty() || has_anchor(&target, anchor))
        });
        broken.map(|(line, link)| format!("{}:{line}: {link}", file.name)).collect::<Vec<_>>()
    });
    none("links lead nowhere", offences);
}

#[test]
fn a_document_has_one_title() {
    let offences = files(&["md"]).into_iter().filter_map(|file| {
        let titles = prose(&file.text).filter(|(_, line)| line.starts_with("# ")).count();
        (titles != 1).then(|| format!("{}: {titles} titles", file.name))
    });
    none("documents have no title or several", offences);
}

#[test]
fn documents_and_ci_test_with_the_same_command() {
    let ci = read(".ci/run");
    let commands: Vec<(String, String)> = files(&["md"])
        .iter()
        .flat_map(|file| {
            let lines = file.text.lines().filter(|line| line.starts_with("cargo test --workspace"));
            lines.map(|line| (file.name.clone(), line.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    assert!(!commands.is_empty(), "no document says how to test");
    let offences = commands
        .into_iter()
        .filter(|(_, command)| !ci.lines().any(|line| line.ends_with(command.as_str())))
        .map(|(name, command)| format!("{name}: {command}"));
    none("commands are not CI's", offences);
}

/// A text file of the repository.
struct File {
    /// Its path from the root, with slashes.
    name: String,
    text: String,
}

impl File {
    fn parts(&self) -> impl Iterator<Item = &str> {
        self.name.split('/')
    }

    /// Tells whether it is code that users run, and not a test, a benchmark or an example.
    fn is_shipped_code(&self) -> bool {
        self.parts().any(|part| part == "src")
            && self
                .parts()
                .all(|part| !["tests", "tests.rs", "benches", "examples", "fuzz"].contains(&part))
    }
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("the crate is two folders below the root").to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the repository's files whose names end in one of `endings`, in the order of names.
fn files(endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry of the folder").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                let ours = !name.starts_with('.') || name == ".ci";
                if ours && !["target", "corpus", "artifacts"].contains(&name) {
                    folders.push(path);
                }
            } else if endings.contains(&name.rsplit('.').next().unwrap_or_default()) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).expect("below the root").components();
            let parts: Vec<&str> = name.filter_map(|part| part.as_os_str().to_str()).collect();
            let name = parts.join("/");
            File { text: read(&name), name }
        })
        .collect()
}

fn none(what: &str, offences: impl IntoIterator<Item = String>) {
    let offences: Vec<String> = offences.into_iter().collect();
    assert!(offences.is_empty(), "{what}:\n  {}", offences.join("\n  "));
}

fn offending_lines(file: &File, offends: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = file.text.lines().zip(1..).filter(|(line, _)| offends(line));
    lines.map(|(_, at)| format!("{}:{at}", file.name)).collect()
}

/// Returns where each function starts and how many lines it has, in a text that rustfmt has laid
/// out: a function ends at the first closing brace that is indented as the function is.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let signature = code.starts_with("fn ")
            || code.split_once(" fn ").is_some_and(|(before, _)| {
                before.split(' ').all(|word| {
                    word.starts_with("pub")
                        || ["const", "async", "unsafe", "extern"].contains(&word)
                })
            });
        if !signature {
            continue;
        }
        let indent = line.len() - code.len();
        let length = lines[start..].iter().position(|line| {
            let same_indent = line.len() - line.trim_start().len() == indent;
            same_indent && (line.trim_start().starts_with('}') || line.ends_with([';', '}']))
        });
        found.push((start + 1, length.map_or(0, |last| last + 1)));
    }
    found
}

/// Returns the part of a Rust text before its test module, which stands last.
fn before_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at])
}

/// Leaves comments, strings and characters out, and keeps the lines.
fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = literal_or_comment(rest);
        if skipped == 0 {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            code.extend(rest[..skipped].matches('\n'));
            rest = &rest[skipped..];
        }
    }
    code
}

/// Returns the length of the comment or literal that `text` starts with, or zero.
fn literal_or_comment(text: &str) -> usize {
    let until = |from: usize, end: &str| {
        text[from..].find(end).map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("r\"") {
        return until(2, "\"");
    }
    if text.starts_with("r#\"") {
        return until(3, "\"#");
    }
    if text.starts_with("'\\") {
        return until(3, "'");
    }
    if text.starts_with("'\"'") {
        return 3;
    }
    if !text.starts_with('"') {
        return 0;
    }
    let mut escaped = false;
    let end = text[1..].find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |at| at + 2)
}

/// Returns the decimal integers of a line of code.
fn integers(line: &str) -> Vec<u64> {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .filter_map(|word| {
            let digits: String =
                word.chars().take_while(|c| c.is_ascii_digit() || *c == '_').collect();
            digits.replace('_', "").parse().ok()
        })
        .collect()
}

/// Returns the numbers by which one would recognise a product.
///
/// Those below 200, ten and twenty minutes and an hour are everybody's, and those of the RFCs may
/// stand in code under their citation.
fn product_numbers() -> BTreeSet<u64> {
    let rfc = numbers_of("rfc-5382");
    let everybodys = |number: u64| number < 200 || [600, 1_200, 3_600].contains(&number);
    let products = Profile::names().flat_map(numbers_of);
    let clients = Client::names().flat_map(times_of);
    let all = products.chain(clients);
    all.filter(|&number| !everybodys(number) && !rfc.contains(&number)).collect()
}

/// Returns a product's times in seconds and its limits.
fn numbers_of(profile: &str) -> BTreeSet<u64> {
    let profile = Profile::shipped(profile).expect(profile);
    let Some(config) = profile.gateway(Vec::new()) else {
        let config = profile.balancer().expect("it is a gateway or a balancer");
        // Its age of a client's connection, an hour, is no number to recognise it by.
        let times = [config.idle_timeout, config.connect_timeout, config.deregistration_delay];
        return times.into_iter().map(|time| time.as_secs()).collect();
    };
    let timers = config.idle.timers;
    let each = [
        timers.tcp_opening,
        timers.tcp_established,
        timers.tcp_half_closed,
        timers.tcp_closing,
        timers.tcp_time_wait,
        timers.tcp_reset,
        timers.udp,
        timers.udp_stream,
        timers.icmp,
    ];
    let seconds = each.into_iter().flatten().map(|time| time.as_secs());
    let limit = config.translation.and_then(|translation| translation.per_destination);
    seconds.chain(limit.map(u64::from)).chain(config.mtu.map(u64::from)).collect()
}

/// Returns a client's limits of idleness in seconds.
fn times_of(client: &str) -> BTreeSet<u64> {
    let client = Client::shipped(client).expect(client);
    let behaviours = [&client.behaviour].into_iter().chain(client.earlier.values());
    let times = behaviours.flat_map(|behaviour| {
        let hint = match behaviour.hint {
            Hint::Heeded { max, margin: _ } => max,
            Hint::Ignored | Hint::Shortens { .. } => None,
        };
        [behaviour.idle_max, behaviour.lifetime, hint]
    });
    times.flatten().map(|time| time.as_secs()).collect()
}

/// Returns the names of the dependencies that a manifest declares, of every kind.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest");
    let workspace = manifest.get("workspace").and_then(toml::Value::as_table);
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flatten().filter_map(|(_, target)| target.as_table());
    let tables: Vec<_> =
        [Some(&manifest), workspace].into_iter().flatten().chain(targets).collect();
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .into_iter()
        .flat_map(|kind| tables.iter().filter_map(move |table| table.get(kind)))
        .filter_map(toml::Value::as_table)
        .flat_map(|table| table.keys().cloned().collect::<Vec<_>>())
        .collect()
}

/// Returns the lines of a document that are not in a block of code, counted from one.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

/// Returns the relative links of a document.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, line) in prose(text) {
        for (start, _) in line.match_indices("](") {
            let Some((link, _)) = line[start + 2..].split_once(')') else { continue };
            if !link.contains("://") && !link.starts_with("mailto:") {
                found.push((at, link));
            }
        }
    }
    found
}

/// Tells whether a document has a heading of which a forge makes this anchor.
fn has_anchor(document: &Path, anchor: &str) -> bool {
    let Ok(text) = fs::read_to_string(document) else { return false };
    prose(&text).filter(|(_, line)| line.starts_with('#')).any(|(_, heading)| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>() == anchor
    })
}
