//! Reads `[authentication.oauth2]`: whom to ask about tokens that only their issuer can read. It
//! must never show a secret.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::jwt::{audiences, name_of};
use super::outbound;
use super::reader::Reader;
use crate::base::secret::Secret;
use crate::guard::authn::introspection::{ClientProof, IntrospectionSettings, push_form_encoded};
use crate::guard::settings::Jwt;

const URL: &str = "\"https://auth.example.com/oauth2/introspect\"";
const SECRET: &str = "{ env = \"OAUTH2_CLIENT_SECRET\" }";

/// Reads `[authentication.oauth2]`; `None` if it is not there. Where it names no audience it is
/// that of `jwt`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    jwt: Option<&Jwt>,
    claims: &Arc<[String]>,
    is_wanted: bool,
) -> Option<IntrospectionSettings> {
    if !reader.is_present() && !is_wanted {
        // What it could say is learnt all the same.
        reader.context().silently(|| drop(settings(reader, jwt, claims)));
        return None;
    }
    settings(reader, jwt, claims)
}

fn settings(
    reader: &mut Reader<'_>,
    jwt: Option<&Jwt>,
    claims: &Arc<[String]>,
) -> Option<IntrospectionSettings> {
    let url = reader.required("introspection_url", URL);
    let url = url.and_then(|value| outbound::url(&value, &format!("introspection_url = {URL}")));
    let client = client(reader);
    let issuer = reader.value("required_issuer").and_then(|value| name_of(&value));
    let audience = reader.value("required_audience");
    let audiences = match (&audience, jwt.and_then(|jwt| jwt.issuers.first())) {
        (Some(value), _) => audiences(value),
        (None, Some(first)) => first.audiences.clone(),
        (None, None) => {
            // Without one, tokens for others would be taken.
            drop(reader.required("required_audience", "\"https://mcp.example.com\""));
            Vec::new()
        }
    };
    let takes_missing_audience = reader.boolean("allow_missing_audience", false);
    let user_claim = reader.string("user_claim").unwrap_or_else(|| "sub".to_owned());
    let user_prefix = reader.string("user_prefix").unwrap_or_default();
    let roles_claim = reader.string("roles_claim");
    let ttl = reader.seconds("cache_ttl_seconds", 0..=300, 60);
    let negative_ttl = reader.seconds("negative_ttl_seconds", 0..=60, 10);
    let timeout = reader.milliseconds("timeout_ms", 100..=10_000, 5_000);
    let leeway = reader.seconds("leeway_seconds", 0..=300, 30);
    Some(IntrospectionSettings {
        url: url?,
        client: client?,
        issuer,
        audiences,
        takes_missing_audience,
        user_claim,
        user_prefix,
        roles_claim,
        kept_claims: Arc::clone(claims),
        // An answer is for those at least who wait for it.
        ttl: ttl.max(SHORTEST),
        negative_ttl: negative_ttl.max(SHORTEST),
        timeout,
        leeway,
    })
}

const SHORTEST: Duration = Duration::from_secs(1);

/// How we prove who we are. RFC 6749 section 2.3.1 has both parts encoded as in a form.
fn client(reader: &mut Reader<'_>) -> Option<ClientProof> {
    const WAYS: [(&str, bool); 2] = [("client_secret_basic", true), ("client_secret_post", false)];
    let id = reader.required("client_id", "{ env = \"OAUTH2_CLIENT_ID\" }");
    let id = id.and_then(|value| value.string("a string"));
    let secret = reader.required("client_secret", SECRET).and_then(|mut value| {
        value.confidential = true;
        let (secret, is_literal) = value.secret()?;
        if is_literal {
            let remedy = "use { env = \"NAME\" } or { file = \"/path\" }";
            value.warning("the secret is stored in the clear in the configuration", remedy);
        }
        Some(secret)
    });
    let is_basic = reader.choice("client_authentication", &WAYS, true);
    let (id, secret) = (id?, secret?);
    let (mut encoded_id, mut encoded_secret) = (String::new(), String::new());
    push_form_encoded(&mut encoded_id, &id);
    push_form_encoded(&mut encoded_secret, secret.expose());
    Some(if is_basic {
        let pair = Secret::new(format!("{encoded_id}:{encoded_secret}"));
        ClientProof::Basic(Secret::new(format!("Basic {}", STANDARD.encode(pair.expose()))))
    } else {
        let members = format!("client_id={encoded_id}&client_secret={encoded_secret}");
        ClientProof::Post(Secret::new(members))
    })
}
