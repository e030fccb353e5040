//! Who a request is from. Plain facts; only the guard room may vouch for them.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// How a caller proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// An API key.
    ApiKey,
    /// A JSON Web Token.
    Jwt,
    /// A token that its issuer was asked about.
    OAuth2,
    /// A certificate of the client.
    Mtls,
    /// The process that started us, over stdio.
    Local,
    /// Authentication is switched off.
    None,
}

impl AuthMethod {
    /// The word of configuration and audit.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Jwt => "jwt",
            Self::OAuth2 => "oauth2",
            Self::Mtls => "mtls",
            Self::Local => "local",
            Self::None => "none",
        }
    }
}

/// How long a proof holds that somebody else has given, and by what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// Who gave it.
    pub issuer: String,
    /// The key that it is signed with.
    pub key_id: String,
    /// When it is over, in seconds since 1970.
    pub until: u64,
    /// The id of the token (`jti`).
    pub jti: Option<String>,
    /// When the token was issued (`iat`), in seconds since 1970.
    pub issued: Option<u64>,
}

/// What an API key is known by where it may not stand itself; it tells nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrint(pub [u8; 16]);

/// An API key that a caller has proved itself with, without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// What it is known by.
    pub print: KeyPrint,
    /// What it is called.
    pub label: Option<String>,
    /// Where it may be used from; if there are none, from everywhere.
    pub networks: Vec<IpNet>,
}

impl KnownKey {
    /// True if it may be used from this address.
    pub fn is_good_from(&self, address: Option<IpAddr>) -> bool {
        let is_within = |address: IpAddr| {
            let address = address.to_canonical();
            self.networks.iter().any(|network| network.contains(&address))
        };
        self.networks.is_empty() || address.is_some_and(is_within)
    }
}

/// A caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user that roles are given to.
    pub user: String,
    /// How it was proved.
    pub method: AuthMethod,
    /// Roles that came with the credential, beside those the policy gives the user.
    pub roles: Vec<String>,
    /// Method, issuer and user: what sessions, cursors and buckets are bound to. It stays the same
    /// when a credential is renewed.
    pub key: String,
    /// The scopes of its token; `None` if it has proved itself with something else.
    pub scopes: Option<Vec<String>>,
    /// The claims of its token that rules ask for, each with its values as texts.
    pub claims: Vec<(String, Vec<String>)>,
    /// The SHA-256 thumbprint of the certificate that its token is bound to (RFC 8705).
    pub bound_to: Option<[u8; 32]>,
    /// How long the credential holds, if its issuer has said so.
    pub term: Option<Term>,
    /// The API key that it has proved itself with.
    pub api_key: Option<Arc<KnownKey>>,
}

impl Principal {
    /// A caller with the key that its method and user make.
    pub fn new(method: AuthMethod, user: impl Into<String>, roles: Vec<String>) -> Self {
        let user = user.into();
        let key = format!("{}:{user}", method.name());
        let (scopes, claims) = (None, Vec::new());
        Self { user, method, roles, key, scopes, claims, bound_to: None, term: None, api_key: None }
    }

    /// The key of a user whom an issuer vouches for.
    pub fn key_of(method: AuthMethod, issuer: &str, user: &str) -> String {
        // No issuer has a space in its name that could stand for the one between the two.
        format!("{}:{issuer} {user}", method.name())
    }

    /// A caller whose proof is good for some time.
    pub fn with_term(method: AuthMethod, user: String, roles: Vec<String>, term: Term) -> Self {
        let key = Self::key_of(method, &term.issuer, &user);
        Self { key, term: Some(term), ..Self::new(method, user, roles) }
    }
}
