//! The certificates that the server shows: one for each name and kind of key, with what its
//! authority says of it, and as its profile wants them; and what is counted when a handshake fails.
//! OpenSSL is the client.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::certificates::Authority;
use crate::harness::fixture;
use crate::harness::http::Connection;
use crate::harness::process::{Directory, Server, Settings, program, run};
use crate::harness::tools::ECHO;
use crate::harness::until;

const EC: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
const RSA: &[&str] = &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const ED25519: &[&str] = &["ED25519"];

/// A certificate of a server, in files of the authority.
fn issue(authority: &Authority, name: &str, names: &str, algorithm: &[&str]) {
    authority.sign_key(name, names, "serverAuth", &[], algorithm);
}

/// What the authority says of a certificate from now on, in a file.
fn say(authority: &Authority, name: &str, more: &[&str]) {
    let (certificate, response) = (format!("{name}.pem"), format!("{name}.ocsp"));
    let question = ["ocsp", "-index", "index.txt", "-CA", "ca.pem", "-issuer", "ca.pem"];
    let signer = ["-rsigner", "ca.pem", "-rkey", "ca.key", "-noverify"];
    let about = ["-cert", &certificate, "-respout", &response];
    authority.openssl(&[&question[..], &signer, &about, more].concat());
}

/// Lets a response be over; its signature is then wrong, but that is the client's affair.
fn make_old(response: &Path) {
    let mut bytes = std::fs::read(response).unwrap();
    let time = bytes.windows(2).rposition(|head| head == b"\x18\x0f").unwrap() + 2;
    bytes[time..time + 15].copy_from_slice(b"20200101000000Z");
    std::fs::write(response, bytes).unwrap();
}

/// A server with these certificates of an authority, the first one for everybody.
fn serve(authority: &Authority, names: &[&str], more: &str) -> Server {
    let file = |name: &str, suffix| authority.directory.file(&format!("{name}.{suffix}"));
    let keys = |name: &str| {
        let (certificate, key) = (file(name, "pem"), file(name, "key"));
        let mut text = format!("certfile = {certificate:?}\nkeyfile = {key:?}\n");
        let response = file(name, "ocsp");
        if response.exists() {
            text.push_str(&format!("ocspfile = {response:?}\n"));
        }
        text
    };
    let mut tls = format!("[tls]\n{more}\n{}", keys(names[0]));
    for name in &names[1..] {
        tls.push_str(&format!("[[tls.certificates]]\n{}", keys(name)));
    }
    let settings = Settings::with(&format!("{ECHO}{tls}")).over_tls();
    Server::start(&settings).trusting(authority.directory.file("ca.pem"))
}

/// What OpenSSL says of a handshake with these options.
pub(crate) fn shake(server: &Server, options: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &server.address().to_string(), "-CAfile"]);
    command.arg(server.authority()).args(options).stdin(Stdio::null());
    let output = command.output().unwrap();
    let all = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}

/// The common name of the certificate that a handshake with these options shows.
fn shown(server: &Server, options: &[&str]) -> String {
    let said = shake(server, options);
    assert!(said.contains("Verification: OK"), "{said}");
    let (_, name) = said.split_once("subject=CN = ").unwrap();
    name.lines().next().unwrap().to_owned()
}

#[test]
fn each_name_gets_its_certificate() {
    let authority = Authority::new();
    issue(&authority, "first", "DNS:first.example,IP:127.0.0.1", EC);
    issue(&authority, "second", "DNS:Second.example,DNS:2.example", EC);
    issue(&authority, "wild", "DNS:*.wild.example", EC);
    let server = serve(&authority, &["first", "second", "wild"], "");
    for (asked, name) in [
        ("first.example", "first"),
        ("second.example", "second"),
        ("SECOND.EXAMPLE", "second"),
        ("2.example", "second"),
        ("a.wild.example", "wild"),
        ("a.b.wild.example", "first"),
        ("wild.example", "first"),
        ("unknown.example", "first"),
    ] {
        assert_eq!(shown(&server, &["-servername", asked]), name, "{asked}");
    }
    assert_eq!(shown(&server, &["-noservername"]), "first");
}

#[test]
fn a_client_gets_a_certificate_whose_key_it_understands() {
    let authority = Authority::new();
    let name = "DNS:box.example";
    issue(&authority, "ec", name, EC);
    issue(&authority, "rsa", name, RSA);
    issue(&authority, "ed", name, ED25519);
    let server = serve(&authority, &["ed", "ec", "rsa"], "");
    for version in ["-tls1_2", "-tls1_3"] {
        for (signatures, name) in [
            ("ed25519:ecdsa_secp384r1_sha384:rsa_pss_rsae_sha256", "ed"),
            ("ecdsa_secp384r1_sha384:rsa_pss_rsae_sha256", "ec"),
            ("rsa_pss_rsae_sha256", "rsa"),
        ] {
            // The authority itself signs with another curve.
            let offered = format!("{signatures}:ecdsa_secp256r1_sha256");
            let options = ["-servername", "box.example", version, "-sigalgs", &offered];
            assert_eq!(shown(&server, &options), name, "{version} {signatures}");
        }
    }
    let said = shake(&server, &["-tls1_3", "-sigalgs", "ed448"]);
    assert!(said.contains("alert"), "{said}");
    assert_eq!(server.counter("tls_handshake_failures_nothing_in_common"), 1);
}

#[test]
fn what_the_authority_says_is_shown_as_long_as_it_holds() {
    let authority = Authority::new();
    for name in ["first", "second", "late"] {
        issue(&authority, name, &format!("DNS:{name}.example"), EC);
    }
    say(&authority, "first", &["-ndays", "1"]);
    say(&authority, "late", &["-ndays", "1"]);
    make_old(&authority.directory.file("late.ocsp"));
    let mut server = serve(&authority, &["first", "second", "late"], "");
    let status = |server: &Server, name: &str| {
        let said = shake(server, &["-status", "-servername", name]);
        assert!(said.contains("Verification: OK"), "{said}");
        said.contains("OCSP Response Status: successful") && said.contains("Cert Status: good")
    };
    assert!(status(&server, "first.example"));
    assert!(!status(&server, "second.example"));
    assert!(!status(&server, "late.example"), "it is over");
    // Fetched anew, it is shown within seconds and without a word to the server.
    say(&authority, "late", &["-ndays", "1"]);
    server.wait_for("files of TLS have changed; configuration 2 is in force");
    assert!(status(&server, "late.example"));
    // What is none changes nothing.
    let responses = ["first", "late"].map(|name| {
        let path = authority.directory.file(&format!("{name}.ocsp"));
        std::fs::read(path).unwrap()
    });
    let [own, other] = &responses;
    let file = authority.directory.file("first.ocsp");
    for (bytes, what) in [
        (&own[..own.len() - 1], "is no OCSP response"),
        (b"\x30\x03\x0a\x01\x06", "holds a refusal"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        server.signal(rustix::process::Signal::HUP);
        server.wait_for("the configuration stays as it was");
        let told = server.wait_for(what);
        assert!(told.contains("first.ocsp"), "{told}");
        assert!(status(&server, "first.example"));
    }
    // What was said of the former certificate, or is not there yet, does not hold up a new one.
    std::fs::write(&file, other).unwrap();
    server.signal(rustix::process::Signal::HUP);
    server.wait_for("first.ocsp: tells nothing of this certificate, and is not shown");
    server.wait_for("is in force");
    assert!(!status(&server, "first.example"));
    std::fs::remove_file(&file).unwrap();
    server.wait_for("first.ocsp: is missing, and is not shown");
    server.wait_for("files of TLS have changed");
    authority.revoke("first");
    say(&authority, "first", &["-ndays", "1"]);
    server.signal(rustix::process::Signal::HUP);
    server.wait_for("does not say that it is good");
}

#[test]
fn a_check_reads_the_files_as_a_start_does() {
    let authority = Authority::new();
    for name in ["first", "other"] {
        issue(&authority, name, "DNS:first.example", EC);
    }
    let file = |name: &str| authority.directory.file(name);
    let whole = std::fs::read_to_string(file("first.pem")).unwrap();
    authority.directory.write("half.pem", &whole[..whole.len() / 2]);
    authority.directory.write("text.pem", "no certificate");
    authority.directory.write("text.key", "no key");
    authority.directory.write("text.ocsp", "no response");
    let check = |more: &str| {
        let tls = format!(
            "[tls]\n{}",
            more.replace('@', &authority.directory.path().display().to_string())
        );
        let directory = Directory::new();
        let settings = Settings::with(&tls).over_tls();
        let path = directory.write("erlmcp.toml", &settings.text(&directory));
        let output = run(&mut program(&["serve", "--check", "--config", path.to_str().unwrap()]));
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let pair = |certificate: &str, key: &str| {
        format!("certfile = \"@/{certificate}\"\nkeyfile = \"@/{key}\"\n")
    };
    let good = pair("first.pem", "first.key");
    let (code, said) = check(&good);
    assert_eq!(code, Some(0), "{said}");
    for (files, culprit, what) in [
        (pair("first.pem", "other.key"), "other.key", "cannot be used together"),
        (pair("half.pem", "first.key"), "half.pem", "whole certificates"),
        (pair("text.pem", "first.key"), "text.pem", "certificate"),
        (pair("first.pem", "text.key"), "text.key", "no whole private key"),
        (format!("{good}ocspfile = \"@/text.ocsp\"\n"), "text.ocsp", "no OCSP response"),
        (format!("{good}cacertfile = \"@/text.pem\"\n"), "text.pem", "certificate"),
    ] {
        let (code, said) = check(&files);
        assert_eq!(code, Some(78), "{files}: {said}");
        let line = said.lines().find(|line| line.contains("erlmcp.toml: tls: ")).unwrap_or(&said);
        assert!(line.contains(culprit) && line.contains(what), "{files}: {said}");
    }
}

#[test]
fn a_certificate_that_is_over_is_told_of() {
    let authority = Authority::new();
    let over = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"];
    authority.sign_key("old", "DNS:old.example", "serverAuth", &over, EC);
    let server = serve(&authority, &["old"], "");
    assert!(server.has_said("old.pem: is over since 2021-01-01T00:00:00"));
}

#[test]
fn a_key_that_others_may_read_is_not_taken_when_it_is_replaced_either() {
    let authority = Authority::new();
    for name in ["first", "next"] {
        issue(&authority, name, "DNS:first.example", EC);
    }
    let mut server = serve(&authority, &["first"], "");
    let file = |name: &str| authority.directory.file(name);
    std::fs::copy(file("next.pem"), file("first.pem")).unwrap();
    std::fs::set_permissions(file("next.key"), Permissions::from_mode(0o644)).unwrap();
    std::fs::rename(file("next.key"), file("first.key")).unwrap();
    server.wait_for("first.key: may be read by others");
    // It is looked at again once only that has changed.
    std::fs::set_permissions(file("first.key"), Permissions::from_mode(0o600)).unwrap();
    server.wait_for("files of TLS have changed; configuration 2 is in force");
}

#[test]
fn certificates_that_nobody_would_get_are_refused() {
    let authority = Authority::new();
    issue(&authority, "first", "DNS:first.example", EC);
    issue(&authority, "nameless", "IP:127.0.0.1", EC);
    issue(&authority, "other", "DNS:other.example", EC);
    let file = |name: &str| authority.directory.file(name);
    for (certificate, key, what) in [
        ("nameless.pem", "nameless.key", "has no DNS name"),
        ("other.pem", "first.key", "cannot be used together"),
        ("other.key", "other.key", "holds no certificate"),
        ("other.pem", "other.pem", "no whole private key"),
    ] {
        let directory = Directory::new();
        std::fs::set_permissions(file(key), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let tls = format!(
            "[tls]\n[[tls.certificates]]\ncertfile = {:?}\nkeyfile = {:?}\n",
            file(certificate),
            file(key)
        );
        let text = Settings::with(&tls).over_tls().text(&directory);
        let path = directory.write("erlmcp.toml", &text);
        let mut command = crate::harness::process::program(&["serve", "--config"]);
        let output = crate::harness::process::run(command.arg(path));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(what), "{what}: {said}");
    }
}

#[test]
fn the_modern_profile_has_no_version_before_1_3() {
    let authority = Authority::new();
    issue(&authority, "first", "DNS:first.example", EC);
    for (profile, versions) in [("modern", 1), ("intermediate", 2)] {
        let server = serve(&authority, &["first"], &format!("profile = \"{profile}\""));
        assert_eq!(shown(&server, &["-tls1_3"]), "first");
        let said = shake(&server, &["-tls1_2"]);
        assert_eq!(said.contains("Cipher is ECDHE-ECDSA"), versions == 2, "{profile}: {said}");
        for old in [
            &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"][..],
            &["-tls1_2", "-cipher", "AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256"],
        ] {
            let said = shake(&server, old);
            assert!(said.contains("Cipher is (NONE)"), "{profile} {old:?}: {said}");
        }
    }
}

#[test]
fn handshakes_that_fail_are_counted_by_their_reasons() {
    let authority = Authority::new();
    issue(&authority, "first", "DNS:first.example", EC);
    let ca = authority.directory.file("ca.pem");
    let more =
        format!("cacertfile = {ca:?}\nfail_if_no_peer_cert = true\nhandshake_timeout_ms = 1000\n");
    let server = serve(&authority, &["first"], &more);
    let over = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"];
    authority.sign_for("expired", "DNS:a.example", "clientAuth", &over);
    authority.sign_for("server", "DNS:a.example", "serverAuth", &[]);
    // Of the name of our authority, and of another one.
    let strange = Authority::new();
    strange.sign("forged", "DNS:a.example");
    let (certificate, key) = fixture::certificate();
    strange.directory.write("stranger.pem", &certificate);
    strange.directory.write("stranger.key", &key);
    let with = |authority: &Authority, name: &str| {
        let file = |suffix| authority.directory.file(&format!("{name}.{suffix}"));
        let (certificate, key) = (file("pem"), file("key"));
        shake(&server, &["-cert", certificate.to_str().unwrap(), "-key", key.to_str().unwrap()])
    };
    with(&authority, "expired");
    with(&authority, "server");
    with(&strange, "forged");
    with(&strange, "stranger");
    shake(&server, &[]);
    shake(&server, &["-tls1_2", "-cipher", "AES128-GCM-SHA256"]);
    shake(&server, &["-alpn", "h2"]);
    shake(
        &server,
        &["-verify_return_error", "-CAfile", strange.directory.file("ca.pem").to_str().unwrap()],
    );
    let say = |bytes: &[u8]| {
        let mut connection = Connection::plain(server.address());
        connection.write(bytes);
        connection
    };
    say(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").rest();
    say(b"\x16\x03\x01\x00\x04\x02\x00\x00\x00").rest();
    drop(say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"));
    assert!(say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").is_closed());
    drop(Connection::plain(server.address()));
    let expected = [
        ("expired", 1),
        ("bad_certificate", 2),
        ("unknown_authority", 1),
        ("no_certificate", 1),
        ("nothing_in_common", 2),
        ("refused_by_peer", 1),
        ("not_tls", 1),
        ("malformed", 1),
        ("cut_off", 1),
        ("timed_out", 1),
        ("revoked", 0),
    ];
    for (reason, number) in expected {
        assert_eq!(server.counter(&format!("tls_handshake_failures_{reason}")), number, "{reason}");
    }
    let all: u64 = expected.iter().map(|(_, number)| number).sum();
    assert_eq!(server.counter("tls_handshake_failures"), all);
}

// C48
#[test]
fn who_never_shakes_hands_keeps_out_only_others_like_it() {
    let limits = "[limits]\nmax_handshakes = 4\n[tls]\nhandshake_timeout_ms = 60000\n";
    let server = Server::start(&Settings::with(limits).over_tls());
    let mut open = server.connect();
    let ask = || crate::tokens::echo(crate::harness::ADMIN);
    open.exchange(&ask());
    // One address has its share of the places, and takes none of those of others.
    let from = |last| Connection::plain_from([127, 0, 0, last], server.address());
    let mut half = vec![from(2)];
    until(|| from(2).is_closed());
    assert!(server.connect().try_exchange(&ask()).is_some());
    half.extend((3..=5).map(from));
    // Once there is no place left, who comes is sent away, and who was there goes on.
    until(|| server.connect().try_exchange(&ask()).is_none());
    assert!(server.counter("connections_refused") >= 1);
    open.exchange(&ask());
    drop(half);
    until(|| server.connect().try_exchange(&ask()).is_some());
}
