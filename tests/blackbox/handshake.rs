//! TLS: which versions, which names, and whose client certificates.

use std::fs;

use rustls::version::{TLS12, TLS13};
use serde_json::json;

use crate::harness::fixture::certificate;
use crate::harness::http::{Connection, Request};
use crate::harness::process::{Directory, Server, Settings};
use crate::harness::tls::client_with;
use crate::harness::{ADMIN, modern_request};

type Versions<'v> = &'v [&'static rustls::SupportedProtocolVersion];
type Identity = (String, String);

fn ask() -> Request {
    Request::modern(&modern_request(1, "tools/list", json!({})))
}

/// The status of a request over TLS; `None` if the server ends the connection instead.
fn status(server: &Server, versions: Versions<'_>, identity: Option<&Identity>) -> Option<u16> {
    let authority = fs::read(server.authority()).unwrap();
    let config = client_with(&authority, versions, identity);
    let mut connection = Connection::tls(server.address(), config);
    connection.try_exchange(&ask()).map(|response| response.status)
}

#[test]
fn the_versions_of_the_configuration_are_spoken_and_no_others() {
    for (configured, old, new) in [
        (r#"["tlsv1.2", "tlsv1.3"]"#, Some(200), Some(200)),
        (r#"["tlsv1.3"]"#, None, Some(200)),
        (r#"["tlsv1.2"]"#, Some(200), None),
    ] {
        let tls = format!("[tls]\nversions = {configured}\n");
        let server = Server::start(&Settings::with(&tls).over_tls());
        assert_eq!(status(&server, &[&TLS12], None), old, "{configured}");
        assert_eq!(status(&server, &[&TLS13], None), new, "{configured}");
    }
}

// C37
#[test]
fn client_certificates_are_asked_for_and_those_of_strangers_refused() {
    let (known, stranger) = (certificate(), certificate());
    for (required, without) in [(true, None), (false, Some(200))] {
        let directory = Directory::new();
        directory.write("clients.pem", &known.0);
        let path = directory.file("clients.pem");
        let tls = format!(
            "[tls]\ncacertfile = \"{}\"\nfail_if_no_peer_cert = {required}\n",
            path.display()
        );
        let server = Server::start_in(directory, &Settings::with(&tls).over_tls());
        for versions in [&[&TLS12], &[&TLS13]] {
            assert_eq!(status(&server, versions, Some(&known)), Some(200), "{required}");
            assert_eq!(status(&server, versions, Some(&stranger)), None, "{required}");
            assert_eq!(status(&server, versions, None), without, "{required}");
        }
    }
}

#[test]
fn a_client_certificate_does_not_replace_the_key() {
    let known = certificate();
    let directory = Directory::new();
    directory.write("clients.pem", &known.0);
    let path = directory.file("clients.pem");
    let tls = format!("[tls]\ncacertfile = \"{}\"\n", path.display());
    let server = Server::start_in(directory, &Settings::with(&tls).over_tls());
    let authority = fs::read(server.authority()).unwrap();
    let config = client_with(&authority, rustls::ALL_VERSIONS, Some(&known));
    let mut connection = Connection::tls(server.address(), config);
    assert_eq!(connection.exchange(&ask().anonymous()).status, 401);
    assert_eq!(connection.exchange(&ask().key(ADMIN)).status, 200);
}
