//! Certificates, made here, and whom they prove.

use rcgen::{CertificateParams, DnType, KeyPair, SanType, SerialNumber, date_time_ymd};

use super::*;

/// 2026-01-01, and the end of the certificates below, 2027-01-01.
const NOW: u64 = 1_767_225_600;
const END: u64 = 1_798_761_600;

fn certificate(change: impl FnOnce(&mut CertificateParams)) -> ClientCertificate {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.serial_number = Some(SerialNumber::from(vec![0x12, 0x34]));
    change(&mut params);
    let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    ClientCertificate::new(made.der())
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

fn mtls(kinds: &[NameKind]) -> Mtls {
    Mtls { kinds: kinds.to_vec(), identities: Vec::new(), user_prefix: "cert/".into() }
}

const SAN: [NameKind; 3] = [NameKind::Uri, NameKind::Dns, NameKind::Email];

fn user(certificate: &ClientCertificate, mtls: &Mtls) -> Result<String, &'static str> {
    certificate.verify(mtls, None, NOW).map(|principal| principal.user)
}

#[test]
fn the_user_is_the_one_name_of_the_best_kind() {
    let named = |names: Vec<SanType>| certificate(|it| it.subject_alt_names = names);
    let email = SanType::Rfc822Name("a@example.org".try_into().unwrap());
    let robot = "spiffe://example.org/robot";
    for (names, expected) in [
        (vec![dns("box.example.org"), uri(robot)], Ok("cert/spiffe://example.org/robot")),
        (vec![email.clone(), dns("box.example.org")], Ok("cert/box.example.org")),
        (vec![email], Ok("cert/a@example.org")),
        (vec![uri(robot), uri("spiffe://example.org/b")], Err("certificate_name_ambiguous")),
        (vec![uri("spiffe://example.org/*")], Err("certificate_name_invalid")),
        (vec![dns("*.example.org")], Err("certificate_name_invalid")),
        (vec![dns("good.example\0.evil.example")], Err("certificate_name_invalid")),
        (vec![uri("spiffe://example.org/a b")], Err("certificate_name_invalid")),
        (vec![uri("no-scheme")], Err("certificate_name_invalid")),
        (vec![dns("192.0.2.1")], Err("certificate_name_invalid")),
        (vec![], Err("certificate_name_unknown")),
    ] {
        let found = user(&named(names.clone()), &mtls(&SAN));
        assert_eq!(found, expected.map(str::to_owned), "{names:?}");
    }
}

#[test]
fn a_common_name_counts_only_for_who_wants_it() {
    let named = certificate(|it| {
        it.distinguished_name.remove(DnType::CommonName);
        it.distinguished_name.push(DnType::CommonName, "Robot 7");
        it.distinguished_name.push(DnType::OrganizationName, "admin");
    });
    assert_eq!(user(&named, &mtls(&SAN)), Err("certificate_name_unknown"));
    assert_eq!(user(&named, &mtls(&[NameKind::CommonName])), Ok("cert/Robot 7".into()));
}

#[test]
fn where_names_are_listed_only_those_are_known() {
    let identity = |name: &str, user: Option<&str>, roles: &[&str]| Identity {
        name: Wildcard::new(name),
        user: user.map(str::to_owned),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    let mut listed = mtls(&SAN);
    listed.identities = vec![
        identity("spiffe://example.org/ops/*", Some("ops"), &["admin"]),
        identity("spiffe://example.org/robots/*", None, &[]),
    ];
    let named = |name: &str| {
        let certificate = certificate(|it| it.subject_alt_names = vec![uri(name)]);
        certificate.verify(&listed, None, NOW)
    };
    let ops = named("spiffe://example.org/ops/7").unwrap();
    assert_eq!((ops.user.as_str(), ops.roles), ("ops", vec!["admin".to_owned()]));
    assert_eq!(ops.term.as_ref().map(|term| term.until), Some(END));
    let robot = named("spiffe://example.org/robots/1").unwrap();
    assert_eq!(robot.user, "cert/spiffe://example.org/robots/1");
    assert_eq!(named("spiffe://example.org/others/1"), Err("certificate_name_unknown"));
}

/// Has taken back the certificates with the serial 0x1234 of one authority.
#[derive(Debug)]
struct TakenBack(String);

impl Revocations for TakenBack {
    fn is_revoked(&self, issuer: &str, serial: &[u8]) -> bool {
        issuer == self.0 && serial == [0x12, 0x34]
    }
}

#[test]
fn time_and_revocation_are_asked_for_each_request() {
    let named = certificate(|it| it.subject_alt_names = vec![dns("a.example")]);
    let (kinds, none) = (mtls(&SAN), None);
    let verify = |now, revocations| named.verify(&kinds, revocations, now).map(|it| it.user);
    assert!(verify(END - 1, none).is_ok());
    assert_eq!(verify(END, none), Err("certificate_expired"));
    assert_eq!(verify(NOW - 366 * 86_400, none), Err("certificate_not_yet_valid"));
    let theirs = TakenBack("other".into());
    assert!(verify(NOW, Some(&theirs)).is_ok());
    let ours = TakenBack(named.issuer.clone());
    assert_eq!(verify(NOW, Some(&ours)), Err("certificate_revoked"));
    let principal = named.verify(&kinds, none, NOW).unwrap();
    let asked = Certificates { mtls: kinds.clone(), revocations: Some(Arc::new(ours)) };
    assert!(!asked.vouch_for(&principal, NOW), "streams end, too");
    let unasked = Certificates { mtls: kinds, revocations: None };
    assert!(unasked.vouch_for(&principal, NOW) && !unasked.vouch_for(&principal, END));
}

#[test]
fn what_is_no_certificate_proves_nothing() {
    let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let der = made.der().as_ref();
    assert!(ParsedCertificate::parse(der).is_some());
    for end in 0..der.len() {
        assert!(ParsedCertificate::parse(der.get(..end).unwrap()).is_none(), "up to {end}");
    }
    let longer = [der, &[0]].concat();
    assert!(ParsedCertificate::parse(&longer).is_none());
    assert_eq!(
        user(&ClientCertificate::new(b"nonsense"), &mtls(&SAN)),
        Err("certificate_malformed")
    );
}
