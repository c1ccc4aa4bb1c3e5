//! Where requests go, worked out once for each authority that URIs name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use http::uri::Authority;

use crate::connect::Destination;
use crate::name::PathName;

/// Where a request goes, and what that is called.
pub(super) struct Origin {
    pub(super) to: Destination,
    pub(super) path: PathName,
    /// The value of the Host field; `None` if it cannot stand in one.
    pub(super) host: Option<HeaderValue>,
}

/// The origins of late, so that a request to one of them allocates nothing to name it.
#[derive(Default)]
pub(super) struct Origins {
    plain: Mutex<Known>,
    secure: Mutex<Known>,
}

/// By the authority as URIs have it.
type Known = BTreeMap<Box<str>, Arc<Origin>>;

/// How many origins of a scheme are known at once. One more, and they are worked out anew.
const KNOWN_MAX: usize = 1_024;

impl Origins {
    /// Returns the origin that has been worked out for an authority.
    pub(super) fn get(
        &self,
        tls: bool,
        authority: &Authority,
        source: Option<&Arc<str>>,
    ) -> Option<Arc<Origin>> {
        let known = if tls { &self.secure } else { &self.plain };
        // Nothing in here panics.
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(origin) = known.get(authority.as_str()) {
            return Some(Arc::clone(origin));
        }
        let origin = Arc::new(Origin::new(tls, authority, source)?);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(authority.as_str().into(), Arc::clone(&origin));
        Some(origin)
    }
}

impl Origin {
    /// Returns the origin that an authority names, or `None` if that has no host.
    fn new(tls: bool, authority: &Authority, source: Option<&Arc<str>>) -> Option<Self> {
        let host = Some(authority.host()).filter(|host| !host.is_empty())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // RFC 9110 section 4.2: the schemes' default ports
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let to = Destination { tls, host: host.into(), port };
        let path = PathName { destination: to.to_string().into(), source: source.cloned() };
        let field = authority.as_str();
        // RFC 9110 section 7.2: without the user information.
        let field = field.rsplit_once('@').map_or(field, |(_, field)| field);
        Some(Self { to, path, host: HeaderValue::from_str(field).ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_worked_out_once_for_each_scheme_and_authority() {
        let origins = Origins::default();
        let get = |tls, authority| {
            origins.get(tls, &Authority::from_static(authority), None).expect("it has a host")
        };
        let first = get(false, "api@payments.internal");
        assert_eq!(first.path, PathName::to("http://payments.internal:80"));
        assert_eq!(first.host.as_ref().expect("it can stand in a field"), "payments.internal");
        assert!(Arc::ptr_eq(&first, &get(false, "api@payments.internal")));
        assert_eq!(get(true, "api@payments.internal").to.port, 443);
        assert_eq!(&*get(false, "[::1]:8080").to.host, "::1");
    }

    #[test]
    fn no_more_origins_are_known_than_there_may_be() {
        let origins = Origins::default();
        for number in 0..=KNOWN_MAX {
            let authority = format!("service-{number}.internal:8080");
            let authority = authority.parse().expect("it is an authority");
            origins.get(false, &authority, None).expect("it has a host");
        }
        assert_eq!(origins.plain.lock().expect("nobody panicked").len(), 1);
    }
}
