//! From documents to paths: as a path file lays them out, or as far as there is no choice.

use crate::path::{Part, Path, Role};
use crate::place::Document;
use crate::source::{Others, Source, SourceError};

/// Returns the paths that documents make together, and one for each part that stands alone, so that
/// its own settings are judged.
pub(crate) fn paths(documents: &[(Document, Source)]) -> Result<Vec<Path>, SourceError> {
    let parts: Vec<&Part> = documents.iter().flat_map(|(_, source)| &source.parts).collect();
    let others =
        Others { documents: documents.iter().map(|(document, _)| document).collect(), parts };
    let mut paths = Vec::new();
    let mut are_laid_out = false;
    for (document, source) in documents {
        if let Some(file) = &source.path_file {
            are_laid_out |= file.lays_out_paths();
            paths.extend(file.paths(document, &others)?);
        }
    }
    if !are_laid_out {
        paths.extend(inferred(&others.parts));
    }
    let alone = |part: &&Part| Path { name: String::new(), parts: vec![(*part).clone()] };
    paths.extend(others.parts.iter().map(alone));
    Ok(paths)
}

/// Returns the paths that can be meant: from each HTTP client through all boxes on the way out, and
/// from the balancer through the proxy to the server, where there is one of each.
fn inferred(parts: &[&Part]) -> Vec<Path> {
    let of = |role: Role| parts.iter().filter(move |part| part.role == role).copied();
    let gates: Vec<Part> = of(Role::Gate).cloned().collect();
    let outward = of(Role::Client).filter(|_| !gates.is_empty()).map(|client| Path {
        name: String::new(),
        parts: core::iter::once(client.clone()).chain(gates.iter().cloned()).collect(),
    });
    let edge = only(of(Role::Edge));
    let server = only(of(Role::Server));
    let mut inward: Vec<Vec<Part>> = Vec::new();
    let proxies: Vec<&Part> = of(Role::Proxy).collect();
    let one_file = proxies.windows(2).all(|two| two[0].place.file == two[1].place.file);
    if proxies.is_empty() || !one_file {
        // Where it is not known which proxy is before the server, nothing is.
        let server = server.filter(|_| proxies.is_empty());
        inward.push([edge, server].into_iter().flatten().cloned().collect());
    } else {
        inward.extend(
            proxies
                .into_iter()
                .map(|proxy| [edge, Some(proxy), server].into_iter().flatten().cloned().collect()),
        );
    }
    let inward = inward.into_iter().map(|parts| Path { name: String::new(), parts });
    outward.chain(inward).collect()
}

/// Returns the only one.
fn only<'p>(mut parts: impl Iterator<Item = &'p Part>) -> Option<&'p Part> {
    parts.next().filter(|_| parts.next().is_none())
}
