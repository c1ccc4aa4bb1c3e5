//! The head of a request, as HTTP/2 has it.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::uri::{Authority, Scheme};
use http::{Method, Request, Uri, Version};

use crate::body::Body;
use crate::connect::Destination;

/// RFC 9113 section 8.2.2: fields of the connection, which HTTP/2 does not have.
const OF_CONNECTION: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Splits a request in origin form into the head that HTTP/2 sends, and its body.
pub(super) fn split(request: Request<Body>, to: &Destination) -> (Request<()>, Body) {
    let (mut parts, body) = request.into_parts();
    let uri = target(&mut parts.headers, &parts.uri, to);
    strip(&mut parts.headers);
    let length = http_body::Body::size_hint(&body).exact();
    let says_none = matches!(parts.method, Method::GET | Method::HEAD);
    if let Some(length) = length.filter(|&length| length > 0 || !says_none) {
        parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    let mut head = Request::new(());
    *head.method_mut() = parts.method;
    *head.uri_mut() = uri;
    *head.version_mut() = Version::HTTP_2;
    *head.headers_mut() = parts.headers;
    (head, body)
}

/// Returns what becomes `:scheme`, `:authority` and `:path` (RFC 9113 section 8.3.1). The Host
/// field, which a user may have chosen, is the authority.
fn target(headers: &mut HeaderMap, origin: &Uri, to: &Destination) -> Uri {
    let host = headers.remove(HOST);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut parts = origin.clone().into_parts();
    parts.scheme = Some(if to.tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = authority.or_else(|| {
        let named = to.to_string();
        named.split_once("://").and_then(|(_, authority)| authority.parse().ok())
    });
    Uri::from_parts(parts).unwrap_or_default()
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_CONNECTION) {
        headers.remove(name);
    }
    // RFC 9113 section 8.2.2: TE may say that trailers are welcome, and nothing else.
    if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_loses_what_belongs_to_the_connection() {
        let request = Request::post("/pay?now")
            .header("Host", "payments.internal:8080")
            .header("Connection", "close, X-Hop")
            .header("Keep-Alive", "timeout=5")
            .header("X-Hop", "gone")
            .header("TE", "gzip")
            .header("X-Kept", "here")
            .body(Body::from("10 won"))
            .unwrap();
        let to = Destination { tls: false, host: "10.0.0.9".into(), port: 8_080 };
        let (head, _) = split(request, &to);
        assert_eq!(head.uri(), "http://payments.internal:8080/pay?now");
        let names: Vec<_> = head.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-kept", "content-length"]);
    }

    #[test]
    fn without_a_host_the_destination_is_the_authority() {
        let request = Request::get("/").body(Body::empty()).unwrap();
        let to = Destination { tls: true, host: "2001:db8::1".into(), port: 443 };
        let (head, _) = split(request, &to);
        assert_eq!(head.uri(), "https://[2001:db8::1]:443/");
        assert!(head.headers().is_empty());
    }
}
