//! The arguments of checking a path's configuration.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Checks the configuration of a path before it is deployed: timers in the wrong order, keepalive
/// that cannot help, settings that do nothing.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Check {
    /// Configurations, or folders of them: `terraform show -json`, what the AWS command line
    /// prints, Kubernetes manifests, Envoy, nginx, HAProxy, Spring, and a path.toml that says what
    /// stands where. What a file is, its content says.
    #[arg(required_unless_present = "rules", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// How to print what was found.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = CheckFormat::Text)]
    pub(crate) format: CheckFormat,
    /// Short for `--format json`.
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Print every rule: what it finds, why that matters, what to do.
    #[arg(long, conflicts_with_all = ["files", "json", "format"])]
    pub(crate) rules: bool,
}

const HELP: &str = "\
Examples:
  halfopen prevent check plan.json application.yml path.toml
  halfopen prevent check --format sarif deploy/ > halfopen.sarif
  halfopen prevent check --rules

Exit code: 0 nothing found, 1 something found, 2 failed.
A finding is allowed by a comment, `# halfopen: allow RULE reason`. docs/check.md has the rules and
the form of path.toml.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
}

impl Check {
    /// Returns how to print what was found.
    pub(crate) const fn format(&self) -> CheckFormat {
        if self.json { CheckFormat::Json } else { self.format }
    }
}
