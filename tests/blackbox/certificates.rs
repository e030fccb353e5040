//! Clients that prove themselves by certificates, made by OpenSSL: whom they stand for, when they
//! end, and tokens that are bound to them.

use std::fs;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::harness::ADMIN;
use crate::harness::http::{Connection, Request};
use crate::harness::process::{Directory, Server, Settings};
use crate::harness::tls::client_with;
use crate::tokens::{Issuer, echo};

type Identity = (String, String);

/// An authority with a database of what it has signed and taken back.
pub(crate) struct Authority {
    pub(crate) directory: Directory,
}

const CONFIGURATION: &str = "\
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
";

impl Authority {
    pub(crate) fn new() -> Self {
        let this = Self { directory: Directory::new() };
        this.directory.write("ca.cnf", CONFIGURATION);
        this.directory.write("index.txt", "");
        this.directory.write("serial", "01\n");
        this.directory.write("crlnumber", "01\n");
        this.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=clients",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ]);
        this
    }

    pub(crate) fn openssl(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new("openssl");
        let output = command.args(arguments).current_dir(self.directory.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A certificate for these names, for this purpose and time, and its key.
    pub(crate) fn sign_for(
        &self,
        name: &str,
        names: &str,
        purpose: &str,
        time: &[&str],
    ) -> Identity {
        self.sign_key(name, names, purpose, time, &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    /// The same for a key of this algorithm.
    pub(crate) fn sign_key(
        &self,
        name: &str,
        names: &str,
        purpose: &str,
        time: &[&str],
        algorithm: &[&str],
    ) -> Identity {
        let file = |suffix: &str| format!("{name}.{suffix}");
        let (key, request, certificate) = (file("key"), file("csr"), file("pem"));
        let generate = ["genpkey", "-out", &key, "-algorithm"];
        self.openssl(&[&generate[..], algorithm].concat());
        let subject = format!("/CN={name}");
        self.openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", &request]);
        let mut extensions = format!("extendedKeyUsage = {purpose}\n");
        if !names.is_empty() {
            extensions.push_str(&format!("subjectAltName = {names}\n"));
        }
        self.directory.write("extensions", &extensions);
        let mut arguments = vec![
            "ca",
            "-batch",
            "-notext",
            "-config",
            "ca.cnf",
            "-extfile",
            "extensions",
            "-in",
            &request,
            "-out",
            &certificate,
        ];
        arguments.extend(time);
        self.openssl(&arguments);
        let read = |name: &str| self.directory.read(name);
        (read(&certificate), read(&key))
    }

    pub(crate) fn sign(&self, name: &str, names: &str) -> Identity {
        self.sign_for(name, names, "clientAuth", &[])
    }

    pub(crate) fn revoke(&self, name: &str) {
        let certificate = format!("{name}.pem");
        self.openssl(&["ca", "-config", "ca.cnf", "-revoke", &certificate]);
        self.publish();
    }

    pub(crate) fn publish(&self) {
        self.openssl(&["ca", "-config", "ca.cnf", "-gencrl", "-out", "ca.crl"]);
    }

    /// Proofs by certificates of this authority.
    pub(crate) fn settings(&self, authentication: &str, tls: &str) -> Settings {
        let ca = self.directory.file("ca.pem");
        let mut settings = Settings::with(&format!(
            "{}\n{authentication}\n[tls]\ncacertfile = \"{}\"\n{tls}\n",
            crate::harness::tools::ECHO,
            ca.display()
        ));
        settings.keys = String::new();
        settings.over_tls()
    }
}

/// A connection with this certificate.
fn connect(server: &Server, identity: Option<&Identity>) -> Connection {
    let authority = fs::read(server.authority()).unwrap();
    Connection::tls(server.address(), client_with(&authority, rustls::ALL_VERSIONS, identity))
}

fn say() -> Request {
    echo("none").anonymous()
}

pub(crate) fn start(settings: &Settings) -> Server {
    let directory = Directory::new();
    let text = settings.text(&directory);
    let text = text.replace("[authentication]\n", "[authentication]\nmethods = METHODS\n");
    let text = text.replace("METHODS", "[\"mtls\", \"api_key\", \"jwt\"]");
    let path = directory.write("erlmcp.toml", &text);
    let mut command = crate::harness::process::program(&["serve", "--config"]);
    let server = Server::spawn(directory, command.arg(path));
    let authority = server.directory.file("state/ca.pem");
    server.trusting(authority)
}

pub(crate) const JWT: &str = "[authentication.jwt]\nrequired_issuer = \"https://none.example\"\n\
                   required_audience = \"x\"\n\
                   shared_secrets = { \"1\" = \"0123456789abcdef0123456789abcdef\" }\n";

#[test]
fn a_certificate_stands_for_a_user_with_roles() {
    let authority = Authority::new();
    let mtls = format!(
        "{JWT}[[authentication.mtls.identities]]\nmatch = \"spiffe://example.org/ops/*\"\n\
         user = \"operator\"\nroles = [\"user\"]\n\
         [[authentication.mtls.identities]]\nmatch = \"box.example.org\"\n"
    );
    let server = start(&authority.settings(&mtls, ""));
    let ops = authority.sign("ops", "URI:spiffe://example.org/ops/7");
    let named = authority.sign("named", "DNS:box.example.org");
    for (identity, user) in [(&ops, "operator"), (&named, "box.example.org")] {
        let mut connection = connect(&server, Some(identity));
        for _ in 0..2 {
            assert_eq!(connection.exchange(&say()).status, 200);
        }
        let records =
            server.audited(&format!("\"user\":\"{user}\",\"authentication\":\"mtls\""), 2);
        assert_eq!(records[0]["outcome"], "success");
    }
    // A connection that takes up an earlier one is as good as that one was.
    let ca = fs::read(server.authority()).unwrap();
    let config = client_with(&ca, rustls::ALL_VERSIONS, Some(&ops));
    for _ in 0..3 {
        let mut connection = Connection::tls(server.address(), std::sync::Arc::clone(&config));
        assert_eq!(connection.exchange(&say()).status, 200);
    }
    // A credential in the request counts more than the certificate below it.
    assert_eq!(connect(&server, Some(&ops)).exchange(&echo("a wrong key")).status, 401);
    assert_eq!(connect(&server, Some(&ops)).exchange(&echo(ADMIN)).status, 200);
    assert_eq!(connect(&server, None).exchange(&say()).status, 401);
}

// C37
#[test]
fn a_certificate_that_is_odd_or_unknown_proves_nobody() {
    let authority = Authority::new();
    let mtls = format!("{JWT}[authentication.mtls]\n");
    let server = start(&authority.settings(&mtls, ""));
    for (name, names, reason) in [
        ("cn-only", "", "certificate_name_unknown"),
        ("wild", "URI:spiffe://example.org/*", "certificate_name_invalid"),
        ("many", "DNS:a.example,DNS:b.example", "certificate_name_ambiguous"),
        ("address", "DNS:192.0.2.1", "certificate_name_invalid"),
    ] {
        let identity = authority.sign(name, names);
        let refused = connect(&server, Some(&identity)).exchange(&say());
        assert_eq!(refused.status, 401, "{name}");
        server.audited(reason, 1);
    }
    let expired = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"];
    let future = ["-startdate", "20900101000000Z", "-enddate", "20910101000000Z"];
    let stranger = Authority::new().sign("stranger", "DNS:a.example");
    for (name, identity) in [
        ("expired", authority.sign_for("expired", "DNS:a.example", "clientAuth", &expired)),
        ("future", authority.sign_for("future", "DNS:a.example", "clientAuth", &future)),
        ("purpose", authority.sign_for("purpose", "DNS:a.example", "serverAuth", &[])),
        ("stranger", stranger),
    ] {
        let answer = connect(&server, Some(&identity)).try_exchange(&say());
        assert!(answer.is_none(), "{name}: {answer:?}");
    }
    let good = authority.sign("good", "DNS:a.example");
    assert_eq!(connect(&server, Some(&good)).exchange(&say()).status, 200);
}

// C39
#[test]
fn a_certificate_that_is_taken_back_is_refused_on_open_connections_too() {
    let authority = Authority::new();
    let (one, other) =
        (authority.sign("one", "DNS:a.example"), authority.sign("other", "DNS:b.example"));
    authority.publish();
    let crl = authority.directory.file("ca.crl");
    let mtls = format!("{JWT}[authentication.mtls]\n");
    let settings = authority.settings(&mtls, &format!("crlfiles = [\"{}\"]", crl.display()));
    let mut server = start(&settings);
    let (mut open, mut kept) = (connect(&server, Some(&one)), connect(&server, Some(&other)));
    assert_eq!(open.exchange(&say()).status, 200);
    assert_eq!(kept.exchange(&say()).status, 200);
    authority.revoke("one");
    let text = server.directory.read("erlmcp.toml");
    server.reload_text(&text);
    assert_eq!(open.exchange(&say()).status, 401);
    server.audited("certificate_revoked", 1);
    assert_eq!(kept.exchange(&say()).status, 200);
    assert!(connect(&server, Some(&one)).try_exchange(&say()).is_none(), "nor is it let in anew");
    assert_eq!(connect(&server, Some(&other)).exchange(&say()).status, 200);
    // A list that is torn leaves the former in force.
    fs::write(&crl, "-----BEGIN X509 CRL-----\nMIIB\n").unwrap();
    server.signal(rustix::process::Signal::HUP);
    server.wait_for("stays as it was");
    assert!(connect(&server, Some(&one)).try_exchange(&say()).is_none());
}

#[test]
fn new_lists_and_certificates_are_found_without_a_reload() {
    let (authority, next) = (Authority::new(), Authority::new());
    let one = authority.sign("one", "DNS:a.example");
    authority.publish();
    let server_files = |authority: &Authority| {
        let names = "DNS:localhost,IP:127.0.0.1";
        authority.sign_for("server", names, "serverAuth", &[]);
        ["server.pem", "server.key"].map(|name| authority.directory.file(name))
    };
    let [certificate, key] = server_files(&authority);
    let tls = format!(
        "crlfiles = [\"{}\"]\ncertfile = \"{}\"\nkeyfile = \"{}\"",
        authority.directory.file("ca.crl").display(),
        certificate.display(),
        key.display()
    );
    let mut server = start(&authority.settings(&format!("{JWT}[authentication.mtls]\n"), &tls));
    let address = server.address();
    let connect = |trusted: &Authority| {
        let trusted = fs::read(trusted.directory.file("ca.pem")).unwrap();
        let client = client_with(&trusted, rustls::ALL_VERSIONS, Some(&one));
        Connection::tls(address, client)
    };
    let mut open = connect(&authority);
    assert_eq!(open.exchange(&say()).status, 200);
    assert!(connect(&next).try_exchange(&say()).is_none());
    for (from, to) in server_files(&next).iter().zip([&certificate, &key]) {
        fs::rename(from, to).unwrap();
    }
    server.wait_for("files of TLS have changed; configuration 2 is in force");
    let mut renewed = connect(&next);
    assert_eq!(renewed.exchange(&say()).status, 200);
    assert_eq!(open.exchange(&say()).status, 200);
    authority.revoke("one");
    server.wait_for("files of TLS have changed; configuration 3 is in force");
    for connection in [&mut open, &mut renewed] {
        assert_eq!(connection.exchange(&say()).status, 401);
    }
    assert!(connect(&next).try_exchange(&say()).is_none());
}

#[test]
fn a_token_that_is_bound_to_a_certificate_is_good_over_it_only() {
    let (authority, issuer) = (Authority::new(), Issuer::new());
    let (own, other) =
        (authority.sign("own", "DNS:a.example"), authority.sign("other", "DNS:b.example"));
    let pem: String = own.0.lines().filter(|line| !line.starts_with("---")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(pem).unwrap();
    let thumbprint = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, &der));
    let jwt = issuer.settings("").rest;
    let jwt = jwt.get(jwt.find("[authentication.jwt]").unwrap()..).unwrap().to_owned();
    let server = start(&authority.settings(&format!("{jwt}[authentication.mtls]\n"), ""));
    let bound = issuer.token(|it| it["cnf"] = json!({ "x5t#S256": thumbprint }));
    for _ in 0..2 {
        assert_eq!(connect(&server, Some(&own)).exchange(&echo(&bound)).status, 200);
        assert_eq!(connect(&server, Some(&other)).exchange(&echo(&bound)).status, 401);
        assert_eq!(connect(&server, None).exchange(&echo(&bound)).status, 401);
    }
    server.audited("token_bound_to_another", 4);
    assert_eq!(connect(&server, None).exchange(&echo(&issuer.token(|_| ()))).status, 200);
    let otherwise = issuer.token(|it| it["cnf"] = json!({ "jkt": "x" }));
    assert_eq!(connect(&server, Some(&own)).exchange(&echo(&otherwise)).status, 401);
    let strict =
        jwt.replace("[authentication.jwt]", "[authentication.jwt]\nrequire_bound_tokens = true");
    let server = start(&authority.settings(&format!("{strict}[authentication.mtls]\n"), ""));
    assert_eq!(connect(&server, Some(&own)).exchange(&echo(&bound)).status, 200);
    assert_eq!(connect(&server, Some(&own)).exchange(&echo(&issuer.token(|_| ()))).status, 401);
}
