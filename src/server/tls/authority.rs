//! The authority that this server makes for itself on its first start, and the certificate that it
//! signs with it: made again before it ends, and where the names of the host have changed.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::base::clock::{Utc, unix_seconds};
use crate::connection::settings::CertificateFiles;
use crate::server::builder::StartError;
use crate::server::material::StateDirectory;

pub(super) const CA_CERTIFICATE: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const SERVER_CERTIFICATE: &str = "server.pem";
const SERVER_KEY: &str = "server.key";
/// What the server certificate was made for: expiry in seconds since 1970, then its names.
const SERVER_FACTS: &str = "server.facts";

const DAY: u64 = 86_400;
/// With the day before it was made, less than the 90 that the strictest profile allows.
const SERVER_DAYS: u64 = 88;
const CA_DAYS: u64 = 3_650;
/// A certificate that is valid for a shorter time is made anew.
const RENEW_DAYS: u64 = 30;

/// The certificate for this host and its key. The authority is made if there is none, the
/// certificate if there is none, if it ends soon, or if it was made for other names.
pub(super) fn certificate(
    state: &StateDirectory,
    extra_names: &[String],
) -> Result<CertificateFiles, StartError> {
    let now = unix_seconds();
    let names = own_names(extra_names);
    let files = CertificateFiles {
        certificate_chain: state.file(SERVER_CERTIFICATE),
        private_key: state.file(SERVER_KEY),
        ocsp_response: None,
    };
    let facts = state.read(SERVER_FACTS)?.unwrap_or_default();
    let is_good = expiry(&facts) > now + RENEW_DAYS * DAY
        && facts.lines().skip(1).eq(names.iter().map(String::as_str))
        && files.certificate_chain.exists()
        && files.private_key.exists();
    if !is_good {
        make(state, &names, now)?;
    }
    Ok(files)
}

/// When the certificate that was made has to be made anew, in seconds since 1970.
pub(super) fn renewal(state: &StateDirectory) -> Result<u64, StartError> {
    let facts = state.read(SERVER_FACTS)?.unwrap_or_default();
    Ok(expiry(&facts).saturating_sub(RENEW_DAYS * DAY))
}

/// When the certificate of these facts is over; 0 if they do not say.
fn expiry(facts: &str) -> u64 {
    facts.lines().next().and_then(|line| line.parse().ok()).unwrap_or(0)
}

fn make(state: &StateDirectory, names: &[String], now: u64) -> Result<(), StartError> {
    let authority = load_or_make_authority(state, now)?;
    let expires = now + SERVER_DAYS * DAY;
    let (certificate, key) = make_server(&authority, names, now, expires).map_err(failed)?;
    state.write(SERVER_KEY, &key.serialize_pem())?;
    state.write(SERVER_CERTIFICATE, &certificate.pem())?;
    state.write(SERVER_FACTS, &format!("{expires}\n{}\n", names.join("\n")))
}

/// The names and addresses by which this host is reached.
fn own_names(extra: &[String]) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let host = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    if host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
        names.push(host);
    }
    names.extend(extra.iter().cloned());
    names.retain(|name| !name.is_empty() && name != "(none)");
    names.sort();
    names.dedup();
    names
}

fn load_or_make_authority(
    state: &StateDirectory,
    now: u64,
) -> Result<Issuer<'static, KeyPair>, StartError> {
    let stored = state.read(CA_KEY)?;
    let key = match &stored {
        Some(pem) => KeyPair::from_pem(pem).map_err(failed)?,
        None => KeyPair::generate().map_err(failed)?,
    };
    let params = authority_params(now);
    if stored.is_none() || !state.file(CA_CERTIFICATE).exists() {
        let certificate: Certificate = params.self_signed(&key).map_err(failed)?;
        state.write(CA_KEY, &key.serialize_pem())?;
        state.write(CA_CERTIFICATE, &certificate.pem())?;
    }
    Ok(Issuer::new(params, key))
}

fn authority_params(now: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "erlmcp local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now.saturating_sub(DAY), now + CA_DAYS * DAY);
    params
}

fn make_server(
    authority: &Issuer<'static, KeyPair>,
    names: &[String],
    now: u64,
    expires: u64,
) -> Result<(Certificate, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "erlmcp");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now.saturating_sub(DAY), expires);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok((certificate, key))
}

/// Sets from when and until when a certificate is valid, in seconds since 1970.
fn set_validity(params: &mut CertificateParams, from: u64, until: u64) {
    let date = |seconds| {
        let utc = Utc::from_unix(seconds);
        let part = |value: u64| u8::try_from(value).unwrap_or(1);
        date_time_ymd(i32::try_from(utc.year).unwrap_or(9_999), part(utc.month), part(utc.day))
    };
    params.not_before = date(from);
    params.not_after = date(until);
}

fn failed(error: rcgen::Error) -> StartError {
    StartError::Tls(format!("the server certificate could not be made: {error}"))
}
