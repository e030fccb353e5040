//! Who a request is from. Plain facts; only the guard room may vouch for them.

/// How a caller proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// An API key.
    ApiKey,
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
            Self::Local => "local",
            Self::None => "none",
        }
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
    /// Method and user: what sessions, cursors and buckets are bound to. It stays the same when a
    /// credential is renewed.
    pub key: String,
}

impl Principal {
    /// A caller with the key that its method and user make.
    pub fn new(method: AuthMethod, user: impl Into<String>, roles: Vec<String>) -> Self {
        let user = user.into();
        let key = format!("{}:{user}", method.name());
        Self { user, method, roles, key }
    }
}
